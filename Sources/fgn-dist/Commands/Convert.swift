import ArgumentParser
import CSystem
import Datasets
import MPI
import Training

struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write files of examples as one in another format, and say what is in it.",
    discussion: """
      In memory that does not depend on the number of examples. The ending of the output decides its format: .npy, .csv, \
      .tsv, .svm, .svmlight or .libsvm. Several inputs are one set, in their order, or for a pattern in quotes ('part-*.npy') \
      in the order of the bytes of their names. Sparse rows become dense ones in .npy, .csv and .tsv, with all their zeros. What \
      exists is replaced, by complete files only.
      """)

  @Argument(
    help: """
      Files of features (IDX or NPY), or of examples as text (.svm, .libsvm, .csv, .tsv); IDX and text also .gz or .bz2.
      """)
  var input: [String]

  @Option(help: "File of the class numbers that go with features in an array (IDX or NPY); once for each, or for all.")
  var labels: [String] = []

  @Option(help: "What to write.")
  var output: String

  @Option(help: "Where to write the class numbers (.npy); text has the labels within it.")
  var outputLabels: String?

  @Option(help: "Where to write the names of the classes: text with a line for each.")
  var classes: String?

  @Option(
    help: """
      File with the name of each class on a line, as --classes writes it: what class numbers are called in text, or which \
      number a label becomes. Numbers in arrays are names, too, where these are numbers other than 0, 1, … (default: labels in the order of their values or letters)
      """)
  var classNames: String?

  @Option(help: "Format of the input: \(ExampleFormat.allCases.map(\.rawValue).joined(separator: ", ")).")
  var format = ExampleFormat.auto

  @Option(
    parsing: .unconditional,
    help: "Where a table has its labels: first, last, a number counted from 1, a name, or none. (default: last)"
  )
  var labelColumn: String?

  @Option(help: "Whether the first line of a table has the names of its columns: auto, yes or no. (default: auto)")
  var header: CSV.Header?

  @Option(
    parsing: .unconditional,
    help: """
      Number of features, which LIBSVM's format does not tell if the last ones are zero; a table of just so many columns \
      has no labels.
      """)
  var columns: Int?

  @Option(help: "Index of the first column in LIBSVM's format: auto (0 if there is any), zero or one. (default: auto)")
  var indexBase: SVMLight.IndexBase?

  @Option(help: "Precision of the values: float32 or float64.")
  var dtype = Configuration.TrainingOptions.Precision.float32

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Write the examples in a random order, which follows from this seed and their number.", valueName: "seed"))
  var shuffle: UInt64?

  private var inputs: FileList { FileList(input) }
  private var labelFiles: FileList? { labels.isEmpty ? nil : FileList(labels) }

  func validate() throws {
    guard let target = Conversion.Output.Format(output) else {
      throw ValidationError("\(output) must end in .npy, .csv, .tsv, .svm, .svmlight or .libsvm")
    }
    if let outputLabels, !outputLabels.lowercased().hasSuffix(".npy") {
      throw ValidationError("\(outputLabels) must end in .npy")
    }
    guard format.isOne(of: inputs) else {
      throw ValidationError("\(inputs) are of several formats; convert those of each into one file first")
    }
    try checkOptions(target)
    let sources = [inputs, labelFiles].compactMap { $0 }.flatMap { (try? $0.paths()) ?? $0.entries }
    // An output has a second name, under which it is written until it is complete.
    let outputs = [output, outputLabels, classes].compactMap { $0 }.flatMap { [$0, $0 + ".partial"] }
    try checkOutputs(outputs, inputs: sources + [classNames].compactMap { $0 })
  }

  /// Refuses options that have no meaning for these formats.
  private func checkOptions(_ target: Conversion.Output.Format) throws {
    let (text, input, labels) = (format.text(inputs), inputs, labelFiles)
    if text != nil, labels != nil { throw ValidationError("\(input) has its labels within it; leave --labels out") }
    if text != .csv, labelColumn != nil { throw ValidationError("--label-column is for tables, which \(input) is not") }
    if text != .csv, header != nil { throw ValidationError("--header is for tables, which \(input) is not") }
    if text != .svmlight, indexBase != nil {
      throw ValidationError("--index-base is for LIBSVM's format, which \(input) is not in")
    }
    if text == nil, columns != nil { throw ValidationError("--columns is for text, which \(input) is not") }
    if let columns, columns < 1 { throw ValidationError("--columns \(columns) is no number of features") }
    if text == nil, labels == nil {
      for (option, value) in [("--output-labels", outputLabels), ("--classes", classes), ("--class-names", classNames)]
      where value != nil {
        throw ValidationError("\(option) needs labels; name those of \(input) with --labels")
      }
      if target == .svmlight { throw ValidationError("\(output) has a label in each line; name them with --labels") }
    }
    if target == .npy, labels != nil, outputLabels == nil {
      throw ValidationError("\(output) has no place for labels; add --output-labels, or leave --labels out")
    }
  }

  func run() throws {
    // glibc's heap would grow by an unpredictable number of blocks, depending on when threads free them.
    fgn_return_memory(1 << 20)
    try Job.run { job in
      // The other ranks only wait.
      job.heartbeat.limits.wait = .infinity
      try job.communicator.onRoot {
        let progress = ProgressLine()
        defer { progress.clear() }
        let summary = try conversion().run { state in
          try Interruption.check()
          progress.show(state.pass < state.passes ? "reading \(inputs)" : "writing \(output)", state.fraction)
        }
        progress.clear()
        try StandardOutput.print("\(summary)\nwritten:   \(written)")
      }
      return .success
    }
  }

  private func conversion() throws -> Conversion {
    let table = CSV.Options(
      header: header ?? .auto, label: labelColumn == "none" ? .absent : CSV.LabelPosition(labelColumn ?? "last"))
    return Conversion(
      .init(
        inputs, labels: labelFiles, format: format,
        options: TextOptions(table: table, columns: columns, indexBase: indexBase ?? .auto),
        classNames: try classNames.map { try ClassNames(path: $0) }),
      to: .init(output, labels: outputLabels, classes: classes, seed: shuffle),
      element: dtype == .float32 ? .float32 : .float64)
  }

  /// The files that now exist, with a note on labels that none of them contains.
  private var written: String {
    let files = [output, outputLabels, classes].compactMap { $0 }.joined(separator: ", ")
    let isWithoutLabels = Conversion.Output.Format(output) == .npy && outputLabels == nil && format.text(inputs) != nil
    if Conversion.Output.Format(output) == .svmlight { return files + " (indices from 1)" }
    return files + (isWithoutLabels && labelColumn != "none" ? " (no labels; --output-labels writes them)" : "")
  }
}

extension ExampleFormat: ExpressibleByArgument {}
extension CSV.Header: ExpressibleByArgument {}
extension SVMLight.IndexBase: ExpressibleByArgument {}

import ArgumentParser
import Datasets
import GaussNewton
import MPI
import Training

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Score a model on a data set.",
    discussion: """
      Without --features, on the test set of the model's own configuration. Several --features, and as many --labels or one, \
      are one set in their order, or for a pattern in quotes ('part-*.npy') in the order of the bytes of their names.
      """)

  @Argument(help: "Model or checkpoint (safetensors).")
  var model: String

  @OptionGroup
  var examples: LabeledExamples

  @Option(help: "Where to write a line for each class: examples, accuracy, precision, loss (.csv).")
  var classes: String?

  @Option(help: "Where to write how many examples of each class are taken for which (.csv; up to 2000 classes).")
  var confusion: String?

  @Option(
    help: ArgumentHelp(
      "Where to write the examples whose labels the model finds least probable (.csv).", valueName: "file"))
  var suspects: String?

  @Option(parsing: .unconditional, help: ArgumentHelp("How many of them. (default: 100)", valueName: "count"))
  var suspectsCount: Int?

  @OptionGroup
  var head: HeadOption

  @Flag(help: "Print one JSON object.")
  var json = false

  /// The limit of classes in a confusion table: a larger one is unreadable, and takes memory on all ranks.
  private static let largestConfusion = 2000

  private var outputs: [String] { [classes, confusion, suspects].compactMap { $0 } }

  func validate() throws {
    for path in outputs where PredictionFile.Format(path) != .csv {
      throw ValidationError("\(path) must end in .csv")
    }
    if let suspectsCount {
      if suspects == nil { throw ValidationError("--suspects-count goes with --suspects; name the file to write") }
      guard (1...1_000_000).contains(suspectsCount) else {
        throw ValidationError("--suspects-count \(suspectsCount) is impossible; it must be from 1 to a million")
      }
    }
    try checkOutputs(outputs, inputs: [model] + examples.paths)
  }

  func run() throws {
    try Job.run { job in
      let communicator = job.communicator
      let file = try communicator.collectively { try ModelFile(headerOf: model) }
      let classCount = file.network.outputCount
      if confusion != nil, classCount > Self.largestConfusion {
        throw CollectiveFailure(
          ConfigurationError(
            "--confusion is for at most \(Self.largestConfusion) classes, and the model has \(classCount); use --classes"
          ))
      }
      // A fault of an output is found before the work.
      try communicator.onRoot { for path in outputs { _ = try OutputFile(path) } }
      let set = try examples.load(for: file, or: .test, job)
      var found = Suspects(limit: suspects == nil ? 0 : suspectsCount ?? 100)
      let scores =
        switch file.configuration.training.precision {
        case .float32: try evaluate(file, set, Float.self, &found, job)
        case .float64: try evaluate(file, set, Double.self, &found, job)
        }
      let names = file.classes?.names
      let list = suspects == nil ? nil : try found.gather(over: communicator)
      try communicator.onRoot {
        let files = try [
          classes.map { ($0, scores.classTable(names)) }, confusion.map { ($0, scores.confusionTable(names)) },
          suspects.map { ($0, list!.table(names)) },
        ].compactMap { $0 }.map { path, text in
          let file = try OutputFile(path)
          try file.complete(text)
          return file
        }
        for file in files { try file.commit() }
        try StandardOutput.print(json ? scores.json : "\(Evaluation(scores))\n\(scores.description(names))")
      }
      return .success
    }
  }

  private func evaluate<Scalar: DistributedScalar>(
    _ file: ModelFile, _ set: EvaluationSet, _: Scalar.Type, _ suspects: inout Suspects, _ job: Job
  ) throws -> ClassScores {
    let model: Classifier<Scalar> = try head.classifier(file, for: set.features, job)
    return try Evaluator<Scalar>(model.network, communicator: job.communicator, classes: model.classes)
      .scores(
        model.parameters, on: set, normalization: file.normalization, countsConfusion: confusion != nil,
        suspects: &suspects)
  }
}

import LinearAlgebra

/// Rewrites files of examples as one file in another format, in memory that does not grow with the number of examples.
package struct Conversion {
  package struct Input {
    package var files: FileList
    /// The files with the class numbers of features in arrays.
    package var labels: FileList?
    package var format: ExampleFormat
    package var options: TextOptions
    /// The names of the classes, where the labels of a text file are not to define them.
    package var classNames: ClassNames?

    package init(
      _ files: FileList, labels: FileList? = nil, format: ExampleFormat = .auto, options: TextOptions = TextOptions(),
      classNames: ClassNames? = nil
    ) {
      self.files = files
      self.labels = labels
      self.format = format
      self.options = options
      self.classNames = classNames
    }

    /// The format of a text file, which also holds the labels; nil for arrays.
    package var text: ExampleFormat? { format.text(files) }
  }

  package struct Output {
    package enum Format: Equatable {
      case npy, svmlight
      case csv(CSV.Separator)

      /// The format that the ending of the file's name stands for; nil for any other ending.
      package init?(_ path: String) {
        let name = path.lowercased()
        if name.hasSuffix(".npy") {
          self = .npy
        } else if name.hasSuffix(".tsv") {
          self = .csv(.tab)
        } else {
          switch ExampleFormat.auto.text(name) {
          case .csv where name.hasSuffix(".csv"): self = .csv(.comma)
          case .svmlight where !Compression.allCases.contains { name.hasSuffix($0.ending) }: self = .svmlight
          default: return nil
          }
        }
      }
    }

    /// The file to write; its ending must be one that `Format` knows.
    package var path: String
    /// The file for the class numbers, for which an array of features has no place.
    package var labels: String?
    /// The file for the names of the classes, one per line.
    package var classes: String?
    /// The seed of a random order of the examples; nil keeps the order in which they are read.
    package var seed: UInt64?

    package init(_ path: String, labels: String? = nil, classes: String? = nil, seed: UInt64? = nil) {
      self.path = path
      self.labels = labels
      self.classes = classes
      self.seed = seed
    }
  }

  /// How far the work has come.
  package struct Progress {
    /// The current pass of `passes`, counted from 1: a text file is read twice, and shuffled rows are written after the
    /// last has been read.
    package let pass, passes: Int
    /// The fraction of the pass that is done, from 0 to 1.
    package let fraction: Double
  }

  package let input: Input
  package let output: Output
  /// The type of the written values: `float32` or `float64`.
  package let element: FeatureMatrix.Element

  package init(_ input: Input, to output: Output, element: FeatureMatrix.Element = .float32) {
    self.input = input
    self.output = output
    self.element = element
  }

  /// Writes the files; they appear when all are complete and replace files of these names. Calls `report` at short
  /// intervals.
  ///
  /// Throws the errors of `report`; exit code 65 for wrong contents, 66 for a file that cannot be read, 74 for one that
  /// cannot be written.
  package func run(_ report: (Progress) throws -> Void = { _ in }) throws -> ConversionSummary {
    switch element {
    case .float32: try run(Float.self, report)
    case .float64: try run(Double.self, report)
    default: preconditionFailure("values are written as float32 or float64")
    }
  }

  private func run<Scalar: BLASScalar & DecimalScalar>(
    _: Scalar.Type, _ report: (Progress) throws -> Void
  ) throws -> ConversionSummary {
    let readings = input.text == nil ? 1 : 2
    let passes = readings + (output.seed == nil ? 0 : 1)
    let source = try source(Scalar.self) { try report(Progress(pass: 1, passes: passes, fraction: $0)) }
    let classes = try ConversionClasses(source, input)
    try check(source, classes, MemoryLayout<Scalar>.size)
    let target: any ExampleTarget<Scalar> = try target(for: source, classes)
    let shuffle = try output.seed.map {
      try RowShuffle<Scalar>(beside: output.path, columns: source.columns, seed: $0)
    }
    let sink: any ExampleSink<Scalar> = shuffle ?? target
    var names = try output.classes.map { try ClassNames.write(classes.names!, to: $0) }

    var summary = try ValueSummary<Scalar>(columns: source.columns, source.path)
    var counts = classes.emptyCounts
    while let block = try source.next() {
      let numbers = try block.labels.map { try classes.numbers(of: $0, firstRow: summary.rows) }
      for number in numbers ?? [] { counts[number, default: 0] += 1 }
      switch block.features {
      case .dense(let features):
        let rows: Matrix<Scalar> = try dense(features, firstRow: summary.rows, of: source)
        summary.add(rows)
        try sink.append(rows, classes: numbers?[...])
      case .sparse(let features):
        summary.add(features)
        try sink.append(features, classes: numbers)
      }
      try report(Progress(pass: readings, passes: passes, fraction: source.fractionDone))
    }
    try shuffle?.drain(into: target) { try report(Progress(pass: passes, passes: passes, fraction: $0)) }

    // A file that does not fit on its disk must fail before the first of the files gets its name.
    try target.complete()
    try names?.complete()
    try target.finish()
    try names?.finish()
    return ConversionSummary(summary, counts, classes, source.tableColumns)
  }

  private func source<Scalar: BLASScalar & DecimalScalar>(
    _: Scalar.Type, _ report: (Double) throws -> Void
  ) throws -> any ExampleStream {
    let paths = try input.files.paths()
    guard let text = input.text else {
      return try ArrayExampleStream(
        features: paths, labels: input.labels?.paths(), format: input.format.array, names: input.classNames,
        element: element)
    }
    return try TextExampleStream<Scalar>(paths, format: text, options: input.options, report)
  }

  private func target<Scalar: BLASScalar>(
    for source: any ExampleStream, _ classes: ConversionClasses
  ) throws(DataError) -> any ExampleTarget<Scalar> {
    let target: any ExampleTarget<Scalar> =
      switch Output.Format(output.path)! {
      case .npy: try NPYTarget(output.path, rows: source.rows, columns: source.columns)
      case .svmlight: try SVMLightTarget(output.path, name: classes.name)
      case .csv(let separator):
        try CSVTarget(output.path, columnNames: source.columnNames, separator: separator, name: classes.name)
      }
    guard let labels = output.labels else { return target }
    return try LabelledTarget(target, labels: labels, rows: source.rows)
  }

  /// Throws exit code 65 or 74 for anything that is known to be wrong before the first byte is written.
  private func check(_ source: any ExampleStream, _ classes: ConversionClasses, _ size: Int) throws(DataError) {
    if let columns = input.options.columns, columns != source.columns {
      throw .badContents(source.path, "has \(source.columns) features, and not \(columns)")
    }
    let format = Output.Format(output.path)!
    if !source.hasLabels, format == .svmlight || output.labels != nil || output.classes != nil {
      let target = output.labels ?? output.classes ?? output.path
      throw .badContents(source.path, "has no labels, which \(target) is to hold; use a file with labels")
    }
    if output.classes != nil, classes.names == nil {
      throw .badContents(
        source.labelFiles?.paths[0] ?? source.path,
        "has numbers for its classes, and no names; name them with --class-names, or leave --classes out")
    }
    if let names = classes.names, let columns = source.oneHotColumns, columns != names.count {
      throw .badContents(
        source.labelFiles!.paths[0],
        "has one-hot labels of \(columns) columns, and \(input.classNames!.path) names \(names.count) classes; name one for "
          + "each column")
    }
    // Text has at least a digit and a separator for each value or row.
    let (values, overflow) = source.rows.multipliedReportingOverflow(by: source.columns)
    func bytes(_ size: Int) -> Int {
      let (bytes, byteOverflow) = values.multipliedReportingOverflow(by: size)
      return overflow || byteOverflow ? .max : bytes
    }
    var files = [(output.path, format == .svmlight ? 2 * source.rows : bytes(format == .npy ? size : 2))]
    if let labels = output.labels { files.append((labels, 8 * source.rows)) }
    // Shuffled rows are on the disk twice.
    if output.seed != nil, input.text != .svmlight { files.append((output.path, bytes(size))) }
    try DiskSpace.check(files)
  }

  /// The values in the written precision. Throws exit code 65 for a value that is not finite in that precision.
  private func dense<Scalar: BLASScalar>(
    _ features: FeatureMatrix, firstRow: Int, of source: any ExampleStream
  ) throws(DataError) -> Matrix<Scalar> {
    func fault(_ row: Int, _ reason: String) -> DataError {
      let place = source.files.place(of: firstRow + row, in: source.path)
      return .badContents(place.path, "example \(place.row) has a value that is \(reason)")
    }
    if let (row, column) = features.firstNonFinite(in: 0..<features.rows) {
      throw fault(row, "not finite at feature \(column); replace or remove it")
    }
    let rows = Matrix(Vector<Scalar>(zeros: features.rows * features.columns), features.rows, features.columns)
    features.gather(rows: 0..<features.rows, into: rows, normalization: .none)
    if features.element.size > MemoryLayout<Scalar>.size,
      let index = rows.elements.withElements({ $0.firstIndex { !$0.isFinite } })
    {
      throw fault(
        index / features.columns,
        "too large for \(element.rawValue) at feature \(index % features.columns); write float64")
    }
    return rows
  }
}

/// The examples of text files in memory, with the labels that the files have.
package struct TextExamples {
  package let features: Features
  /// The labels; nil where the files have none.
  package let labels: LabelColumn?
  /// The indices of the LIBSVM format; nil for other formats.
  package let indices: SVMLight.Indices?
  /// The names of a table's columns; nil for other formats.
  package let tableColumns: TableColumns?

  /// - Parameters:
  ///   - format: `svmlight` or `csv`.
  ///   - storage: whether values of `svmlight` are stored with their zeros.
  ///   - element: the type of the values, `float32` or `float64`.
  ///
  /// Throws exit code 65 for wrong contents, 66 for a file that cannot be read.
  package init(
    paths: [String], format: ExampleFormat, options: TextOptions = TextOptions(), storage: FeatureStorage = .auto,
    element: FeatureMatrix.Element = .float32
  ) throws(DataError) {
    switch format {
    case .svmlight:
      let (sparse, labels, indices) = try SVMLight.read(
        paths: paths, indexBase: options.indexBase, columns: options.columns, element: element)
      features = storage.isSparse(sparse) ? .sparse(sparse) : .dense(try sparse.dense())
      (self.labels, self.indices, tableColumns) = (labels, indices, nil)
    case .csv:
      let table = try CSV.read(paths: paths, options: options.table(of: element))
      (features, labels, indices, tableColumns) = (.dense(table.features), table.labels, nil, table.columns)
    case .auto, .idx, .npy, .npz, .safetensors: preconditionFailure("\(format) is no text")
    }
  }

  package init(path: String, format: ExampleFormat) throws(DataError) { try self.init(paths: [path], format: format) }
}

extension Dataset {
  /// The examples of text files with the classes `known`, or with the classes that their labels define. Throws exit
  /// code 65 for files without labels, or for a label that is not among the classes.
  package init(
    _ examples: TextExamples, path: String, classes known: ClassMap?, ignoring ignored: IgnoredLabel? = nil
  ) throws(DataError) {
    guard let labels = examples.labels else {
      throw .badContents(
        path,
        examples.indices == nil
          ? "has no column of labels beside its features; use a file with labels"
          : "has lines that begin with an index, and no labels; use a file with labels")
    }
    let classes = known ?? ClassMap(labels, ignoring: ignored)
    self.init(
      features: examples.features, labels: try classes.classes(of: labels, ignoring: ignored),
      classCount: classes.count,
      classes: classes)
    indices = examples.indices
    tableColumns = examples.tableColumns
  }
}

extension CSV.LabelPosition {
  /// `first`, `last`, a number counted from 1, or the name of a column.
  package init(_ text: String) {
    switch text {
    case "first": self = .first
    case "last": self = .last
    default: self = Int(text).map { .number($0) } ?? .name(text)
    }
  }
}

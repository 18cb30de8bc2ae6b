/// The examples of text files, all in memory, with their labels as the files have them.
package struct TextExamples {
  package let features: Features
  /// nil where the file has none.
  package let labels: LabelColumn?
  /// Of LIBSVM's format.
  package let indices: SVMLight.Indices?
  /// What a table calls its columns; nil for other formats.
  package let tableColumns: TableColumns?

  /// - Parameters:
  ///   - format: `svmlight` or `csv`.
  ///   - table: how a table is read; its number of features and its element are `columns` and `element`.
  ///   - columns: the number of features, where it is known; a table of just so many columns has no labels.
  ///   - indexBase: the index of the first column in `svmlight`.
  ///   - storage: whether values of `svmlight` are kept with their zeros.
  ///   - element: what the values are kept as, `float32` or `float64`.
  ///
  /// Throws exit code 65 for wrong contents, 66 for a file that cannot be read.
  package init(
    paths: [String], format: ExampleFormat, table: CSV.Options = CSV.Options(), columns: Int? = nil,
    indexBase: SVMLight.IndexBase = .auto, storage: FeatureStorage = .auto, element: FeatureMatrix.Element = .float32
  ) throws(DataError) {
    switch format {
    case .svmlight:
      let (sparse, labels, indices) = try SVMLight.read(
        paths: paths, indexBase: indexBase, columns: columns, element: element)
      features = storage.isSparse(sparse) ? .sparse(sparse) : .dense(try sparse.dense())
      (self.labels, self.indices, tableColumns) = (labels, indices, nil)
    case .csv:
      var options = table
      (options.featureCount, options.element) = (columns, element)
      let table = try CSV.read(paths: paths, options: options)
      (features, labels, indices, tableColumns) = (.dense(table.features), table.labels, nil, table.columns)
    case .auto, .idx, .npy, .npz, .safetensors: preconditionFailure("\(format) is no text")
    }
  }

  package init(path: String, format: ExampleFormat) throws(DataError) { try self.init(paths: [path], format: format) }
}

extension Dataset {
  /// Examples of text files, whose labels are those of `classes`, or make up the classes themselves. Throws exit code 65
  /// for a file without labels, or with one that is not among the classes.
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

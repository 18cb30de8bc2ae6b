import Datasets

extension Configuration.DataOptions.Source {
  /// The examples of text files, in memory; nil for arrays.
  func textExamples(
    _ options: TextOptions, _ storage: FeatureStorage, _ precision: Configuration.TrainingOptions.Precision
  ) throws(DataError) -> TextExamples? {
    guard let features, let text else { return nil }
    var options = options
    options.table.label = CSV.LabelPosition(labelColumn)
    return try TextExamples(
      paths: features.paths(), format: text, options: options, storage: storage,
      element: precision == .float32 ? .float32 : .float64)
  }

  /// The examples of text files that a model is applied to, with or without labels; nil for arrays. Indices count as in
  /// the model's training set, or as `indexBase` says.
  package func textExamples(
    for model: ModelFile, header: CSV.Header, readsLabels: Bool, indexBase: SVMLight.IndexBase? = nil
  ) throws(DataError) -> TextExamples? {
    var table = CSV.Options(header: header)
    (table.known, table.readsLabels) = (model.tableColumns, readsLabels)
    table.numbersAreFeatures = model.tableColumns?.hasNames != true
    let configuration = model.configuration
    return try textExamples(
      TextOptions(
        table: table, columns: model.network.inputCount, indexBase: indexBase ?? configuration.data.indexBase),
      model.storage, configuration.training.precision)
  }

  /// How arrays of this source are read.
  func arrayOptions(
    _ storage: FeatureStorage, _ precision: Configuration.TrainingOptions.Precision
  ) -> ArrayOptions {
    ArrayOptions(format: format.array, storage: storage, element: precision == .float32 ? .float32 : .float64)
  }

  /// The features of arrays that a model is applied to, and their files: sparse archives in memory, others read on demand.
  /// Collective on a node. Errors are local to this rank.
  package func arrays(
    for model: ModelFile, by reader: inout NodeReader
  ) throws -> (features: any FeatureSource, files: SetFiles) {
    let paths = try features!.paths()
    guard try SparseArchive.isSparse(paths[0]) else {
      let stream = try FeatureStream(paths: paths, format: format.array)
      return (stream, stream.files!)
    }
    let options = arrayOptions(model.storage, model.configuration.training.precision)
    let set = try reader.open {
      let (features, files) = try options.features(paths, columns: model.network.inputCount)
      var set = Dataset(features: features, labels: Array(repeating: 0, count: features.rows))
      set.featureFiles = files
      return set
    }!
    return (set.features, set.featureFiles!)
  }
}

extension ModelFile {
  /// How features that leave out their zeros are stored for this model.
  fileprivate var storage: FeatureStorage {
    configuration.model.takesSparseInputs && normalization.keepsZeros ? configuration.data.storage : .dense
  }
}

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
    let canBeSparse = configuration.model.takesSparseInputs && model.normalization.keepsZeros
    return try textExamples(
      TextOptions(
        table: table, columns: model.network.inputCount, indexBase: indexBase ?? configuration.data.indexBase),
      canBeSparse ? configuration.data.storage : .dense, configuration.training.precision)
  }
}

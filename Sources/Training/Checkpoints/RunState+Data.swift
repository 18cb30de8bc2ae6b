import Datasets

/// The data that a run goes on with, beside those that it was trained on.
extension RunState {
  /// The axes of one example in the model: those of the checkpoint, unless they are flat there and not in `set`.
  package func axes(of set: Dataset) -> [Int] {
    let (old, new) = (model.network.example, set.featureShape)
    return ExampleAxes(old).isFlat && !ExampleAxes(new).isFlat ? new : old
  }

  /// A remark for the user if the model gets names of columns that the checkpoint does not have; nil otherwise.
  func noteOnColumns(_ data: TrainingData) -> String? {
    guard let columns = data.train.tableColumns, columns.hasNames, model.tableColumns == nil else { return nil }
    return
      "note: \(contents.path) knows no names of columns; its features are taken to be those of the table, in that order, "
      + "and the model has their names"
  }

  /// A remark for the user if the values of the examples cannot be compared; nil otherwise.
  var noteOnChecksum: String? {
    progress.data != nil
      ? nil
      : "note: \(contents.path) has no checksum of its examples, as in release 0.1; whether these are the same, in the same "
        + "order, has not been checked"
  }

  /// Throws if the run was trained on other data than `data`.
  package func check(_ data: TrainingData) throws {
    let old = (progress.examples, model.network.inputCount, model.network.outputCount)
    let new = (data.train.count, data.train.featureCount, data.classCount)
    if model.classes != data.train.classes {
      throw ConfigurationError(
        key: "data.train",
        "has other names for its classes than the data that \(contents.path) was saved on; name the data of that run"
          + (model.tableColumns == nil && data.train.tableColumns?.hasNames == true
            ? ", or set data.header to no if it took the first line for an example, as release 0.1 did with numbers"
            : ""))
    }
    guard model.tableColumns.map({ $0.names == data.train.tableColumns?.names }) ?? true else {
      throw ConfigurationError(
        key: "data.train",
        "has other names for its columns, or another order, than the data that \(contents.path) was saved on; "
          + "name the data of that run")
    }
    let (wasSparse, isSparse) = (progress.sparse ?? false, data.train.features.isSparse)
    guard wasSparse == isSparse else {
      throw ConfigurationError(
        key: "data.storage",
        "makes the features \(isSparse ? "sparse" : "dense"), and \(contents.path) was saved with others; "
          + "set it to \(wasSparse ? "sparse" : "dense")")
    }
    guard progress.weights == data.weights?.checksum else {
      throw ConfigurationError(
        key: "data.train.weights",
        "are not the weights that \(contents.path) was saved with; name the file of that run, or null if it had none")
    }
    guard old == new else {
      throw ConfigurationError(
        key: "data.train",
        "has \(new.0) examples, \(new.1) features and \(new.2) classes, but \(contents.path) was saved on \(old.0), "
          + "\(old.1) and \(old.2); name the data of that run")
    }
    try ExampleAxes(data.train.featureShape).check(with: ExampleAxes(model.network.example), "data.train.features")
    let sources = [("validation", configuration.data.validation.source), ("test", configuration.data.test)]
    for (set, (name, source)) in zip([data.validation, data.test], sources) {
      guard let set else { continue }
      let name = source.features?.description ?? "data.\(name).features"
      try ExampleAxes(set.featureShape).check(with: ExampleAxes(axes(of: data.train)), name)
    }
    if let before = progress.data, let now = data.checksum, before != Self.text(checksum: now) {
      throw ConfigurationError(
        key: "data.train",
        "has other values, labels or another order than the data that \(contents.path) was saved on; name the data of that "
          + "run, or start a new one from its parameters with --set model.initialization=\(contents.path)")
    }
  }
}

import Datasets
import Foundation
import LinearAlgebra

extension ModelFile {
  /// Throws if the model does not take examples with these axes.
  package func check(_ shape: [Int], of name: String) throws {
    let count = shape.reduce(1, *)
    guard count == network.inputCount else {
      throw StorageError(
        .contents, path: name, section: "features",
        problem: "has \(count) a row, but \(contents.path) takes \(network.inputCount)",
        remedy: "use the features that the model was trained on")
    }
    try ExampleAxes(shape).check(with: ExampleAxes(network.example), name)
  }

  /// A note for the user where neither the model nor an option gives the index base of a file in LIBSVM's format; nil
  /// otherwise.
  package func noteOnIndices(of set: Dataset, told: SVMLight.IndexBase?) -> String? {
    guard let indices = set.indices, (told ?? configuration.data.indexBase) == .auto else { return nil }
    return "indices are taken to count from \(indices.base.first), for "
      + "\(indices.base == .zero ? "one is 0" : "none is 0"), and the model does not know; --index-base says it"
  }

  /// A table of the tensors of any safetensors file, followed by the program's own metadata, if there is any.
  package static func summary(of stored: StoredTensors) throws -> String {
    let file = stored.header
    var rows = [["tensor", "type", "shape", "norm"]]
    for entry in file.tensors {
      let norm: String =
        switch entry.tensor.dtype {
        case .float32, .float64, .float16, .bfloat16: try stored.norm(of: entry).short
        case .int64, .int32, .uint8: "-"
        }
      let shape = entry.shape.map { String($0) }.joined(separator: " × ")
      rows.append([entry.name, entry.tensor.dtype.rawValue, shape, norm])
    }
    let widths = (0..<4).map { column in rows.map { $0[column].count }.max()! }
    var lines = rows.map { row in
      zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }.joined(separator: "  ")
    }
    if let model = try? ModelFile(file) {
      lines.append(
        "classifier of \(model.network.inputCount) features into \(model.network.outputCount) classes, "
          + "\(model.network.layout.count) parameters, normalize \(model.normalization.kind.rawValue)")
      lines.append("model: \(model.network)")
      if let names = model.classes?.names {
        lines.append(
          "classes: " + names.prefix(12).joined(separator: ", ") + (names.count > 12 ? ", … (\(names.count))" : ""))
      }
    }
    if let model = try? ModelFile(file), let columns = model.tableColumns {
      lines.append(
        "columns: " + columns.features.prefix(12).joined(separator: ", ")
          + (columns.features.count > 12 ? ", … (\(columns.features.count))" : "")
          + (columns.label.map { "; labels: \($0)" } ?? ""))
    }
    if let best = try best(in: file) { lines.append("best: \(best)") }
    if let calibration = try calibration(in: file) { lines.append("calibrated: \(calibration)") }
    let average = try average(in: file)
    if let average { lines.append("average: the model is the \(average)") }
    if let state = try? RunState.progress(of: file) {
      lines.append(
        "checkpoint after step \(state.step)" + (state.optimizer.damping.map { ", damping \($0.short)" } ?? "")
          + (average == nil ? "" : ", whose own parameters are \(RunState.ownPrefix)model.…"))
      if let selection = state.selection, let best = selection.best {
        lines.append(
          "best until then: step \(best.step), \(selection.criterion.text(best.value)); evaluations since: \(selection.failures)"
        )
      }
    }
    return lines.joined(separator: "\n")
  }
}

extension StoredTensors {
  /// The 2-norm of a tensor of floating-point numbers.
  fileprivate func norm(of entry: TensorFile.Entry) throws -> Double {
    var norm = 0.0
    try forEachBlock(of: entry.name, entry.shape) { norm = hypot(norm, $1.norm) }
    return norm
  }
}

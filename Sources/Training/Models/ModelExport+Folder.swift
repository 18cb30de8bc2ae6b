import Datasets
import Foundation
import LinearAlgebra

extension ModelExport {
  /// The contents of `metadata.json` beside the arrays.
  private struct Manifest: Encodable {
    struct File: Encodable {
      let name: String
      let file: String
      let shape: [Int]
      let type: String
    }

    let parameters: [File]
    let inputs: String
    let normalization: Normalization
    let configuration: Configuration
  }

  private static let manifest = "metadata.json"

  /// Writes a folder with `NAME.npy` for each parameter and `metadata.json`, as `AtomicFolder` does; another one at the path is not
  /// replaced. Throws exit code 74.
  package func writeArrays(to path: String) throws {
    try AtomicFolder.write(path, mayReplace: Self.isExport(folder:), writeContents)
  }

  /// Whether the folder at `path` has only files that `writeArrays` has written there, so that it may be replaced: a set of one's own
  /// may have arrays and a `metadata.json`, too.
  package static func isExport(folder path: String) -> Bool {
    struct Parameters: Decodable {
      struct File: Decodable { let file: String }
      let parameters: [File]
    }
    guard let data = FileManager.default.contents(atPath: "\(path)/\(manifest)"),
      let parameters = try? JSONDecoder().decode(Parameters.self, from: data),
      let names = try? FileManager.default.contentsOfDirectory(atPath: path)
    else { return false }
    return Set(names).isSubset(of: parameters.parameters.map(\.file) + [manifest])
  }

  private func writeContents(to folder: String) throws {
    let element: NPYWriter.Element = precision == .float32 ? .float32 : .float64
    var file: (name: String, writer: NPYWriter)?
    try forEachBlock { parameter, elements in
      if file?.name != parameter.name {
        try file?.writer.finish()
        let path = "\(folder)/\(parameter.name).npy"
        file = (parameter.name, try NPYWriter(path, shape: parameter.shape, element: element))
      }
      switch precision {
      case .float32: try file!.writer.append(Vector(elements.withElements { $0.map { Float($0) } }))
      case .float64: try file!.writer.append(elements)
      }
    }
    try file?.writer.finish()
    let manifest = Manifest(
      parameters: parameters.map {
        .init(name: $0.name, file: "\($0.name).npy", shape: $0.shape, type: precision.rawValue)
      },
      inputs: inputs, normalization: normalization, configuration: configuration)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let text = String(decoding: try encoder.encode(manifest), as: UTF8.self)
    try AtomicFile.write("\(folder)/\(Self.manifest)") { try $0.write(text + "\n") }
  }
}

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

  /// Writes a folder with `NAME.npy` for each parameter and `metadata.json`, as `AtomicFolder` does. Throws exit code 74.
  package func writeArrays(to path: String) throws {
    try AtomicFolder.write(path, writeContents)
  }

  /// Whether the folder at `path` has only files that `writeArrays` writes, so that it may be replaced.
  package static func isExport(folder path: String) -> Bool {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.contains(manifest) && names.allSatisfy { $0 == manifest || $0.hasSuffix(".npy") }
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

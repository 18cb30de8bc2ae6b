import Foundation

@testable import Datasets

/// A directory that goes away with this object.
final class TemporaryDirectory {
  let path = FileManager.default.temporaryDirectory.appendingPathComponent("datasets-\(UUID().uuidString)").path

  init() throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ bytes: [UInt8], _ name: String = "file") -> String {
    let file = path + "/" + name
    let stream = fopen(file, "w")!
    precondition(fwrite(bytes, 1, bytes.count, stream) == bytes.count)
    fclose(stream)
    return file
  }

  func read(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: path + "/" + name)))
  }

  var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] }
}

/// The values of all rows, read one by one.
func values(of features: FeatureMatrix) -> [Double] {
  var values: [Double] = []
  features.forEachPiece(in: 0..<features.rows) { _, bytes in
    values += (0..<bytes.count / features.element.size).map { index in
      switch features.element {
      case .uint8: Double(bytes[index])
      case .float32: Double(bytes.loadUnaligned(fromByteOffset: 4 * index, as: Float.self))
      case .float64: bytes.loadUnaligned(fromByteOffset: 8 * index, as: Double.self)
      }
    }
  }
  return values
}

/// The error of a body that must throw one; its description must be one line that starts with the file's path.
func dataError(_ body: () throws -> Void) -> DataError? {
  do {
    try body()
    return nil
  } catch {
    guard let error = error as? DataError, !error.description.contains("\n"), !error.path.isEmpty,
      error.description.hasPrefix(error.path + ": ")
    else { return nil }
    return error
  }
}

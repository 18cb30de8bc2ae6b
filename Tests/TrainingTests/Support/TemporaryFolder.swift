import Foundation

@testable import Training

/// A folder of one test, which is removed with this object.
final class TemporaryFolder: Sendable {
  let folder: String

  init() {
    folder = NSTemporaryDirectory() + "/fgn-dist-tests-\(UUID().uuidString)"
    try! FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  func path(_ name: String) -> String { "\(folder)/\(name)" }

  func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: path(name)))) }

  func write(_ name: String, _ bytes: [UInt8]) throws { try Data(bytes).write(to: URL(filePath: path(name))) }

  var names: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: folder).sorted() } }

  /// The one-line error (of damaged contents) from loading `bytes`; nil if they load.
  func failureToLoad(_ bytes: [UInt8], requireChecksum: Bool = false) throws -> String? {
    try write("trial", bytes)
    do throws(StorageError) {
      _ = try Safetensors.load(path: path("trial"), requireChecksum: requireChecksum)
      return nil
    } catch {
      return error.exitCode == 65 ? error.description : "exit code \(error.exitCode) instead of 65"
    }
  }
}

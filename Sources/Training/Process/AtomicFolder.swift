import Datasets
import Foundation

/// A folder that appears at its path complete or not at all.
enum AtomicFolder {
  /// Writes the folder at `path` with `body`, which is given the path of a temporary one.
  ///
  /// An earlier folder at `path` is moved aside and deleted once the new one is there: a process that is killed in between
  /// leaves it as `.NAME.old-PID`. Throws exit code 74, or what `body` throws.
  ///
  /// - Parameter mayReplace: whether what is at a path may go.
  static func write(_ path: String, mayReplace: (String) -> Bool, _ body: (String) throws -> Void) throws {
    let target = URL(fileURLWithPath: path).standardizedFileURL.path
    // The path that is looked at is the one that is replaced: an empty one, or `none/..`, is the folder that one is in.
    guard !path.isEmpty, !FileManager.default.fileExists(atPath: target) || mayReplace(target) else {
      throw StorageError(
        path: path.isEmpty ? "\"\"" : path, operation: "replace folder", code: path.isEmpty ? ENOENT : EEXIST)
    }
    let temporary = TemporaryName.hidden(target, marker: TemporaryName.marker)
    let old = TemporaryName.hidden(target, marker: ".old-")
    let files = FileManager.default
    try step("create folder", path) {
      // In a container the process id repeats from run to run, so a dead run's folder may have this very name.
      if files.fileExists(atPath: temporary) { try files.removeItem(atPath: temporary) }
      try files.createDirectory(atPath: temporary, withIntermediateDirectories: false)
    }
    defer { try? files.removeItem(atPath: temporary) }
    try body(temporary)
    try step("rename folder", path) {
      let isReplaced = files.fileExists(atPath: target)
      if isReplaced { try files.moveItem(atPath: target, toPath: old) }
      do {
        try files.moveItem(atPath: temporary, toPath: target)
      } catch {
        if isReplaced { try? files.moveItem(atPath: old, toPath: target) }
        throw error
      }
      if isReplaced { try files.removeItem(atPath: old) }
    }
  }

  private static func step(_ operation: String, _ path: String, _ body: () throws -> Void) throws {
    do {
      try body()
    } catch {
      throw StorageError(
        .inputOutput, path: path, section: operation, problem: error.localizedDescription,
        remedy: "check the path, the permissions and the space, then run again")
    }
  }
}

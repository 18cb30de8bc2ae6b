import Datasets
import Foundation
import Glibc

/// A file that cannot be read, understood or written. The description is one line: the file, the section of it (or the
/// operation on it), the problem and the remedy.
package struct StorageError: Error, Equatable, Sendable, CustomStringConvertible {
  package enum Kind: Int32, Sendable {
    /// The contents are damaged or do not fit.
    case contents = 65
    case missing = 66
    /// The operating system refused an operation: no space, no permission, a failing disk.
    case inputOutput = 74
  }

  package let kind: Kind
  package let path: String
  package let section: String
  package let problem: String
  package let remedy: String

  package init(_ kind: Kind, path: String, section: String, problem: String, remedy: String) {
    self.kind = kind
    self.path = path
    self.section = section
    self.problem = problem
    self.remedy = remedy
  }

  /// The failure of `operation` on `path` with the error number `code` (an errno).
  package init(path: String, operation: String, code: Int32) {
    let reason = String(cString: strerror(code))
    let isMissing = code == ENOENT && operation == "open for reading"
    self.init(
      isMissing ? .missing : .inputOutput, path: path, section: operation, problem: reason,
      remedy: isMissing ? "check the path" : remedyOfWriting(code))
  }

  /// The exit code of the process for this error.
  package var exitCode: Int32 { kind.rawValue }

  package var description: String {
    Self.oneLine("\(path): \(section): \(problem); \(remedy)")
  }

  /// `text` without its line breaks.
  package static func oneLine(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).joined(separator: " ")
  }

  /// `name` as a line of text can show it: quoted, without control characters, and shortened.
  package static func quoted(_ name: String) -> String {
    quotedName(name)
  }
}

/// Creates a folder and its parents unless they exist; on return, new folders are on disk. Throws exit code 74 with
/// this remedy.
package func createFolder(_ path: String, remedy: String) throws(StorageError) {
  // The folders that are missing, innermost first.
  var missing: [URL] = []
  var part = URL(fileURLWithPath: path).standardizedFileURL
  while part.path != "/", !FileManager.default.fileExists(atPath: part.path) {
    missing.append(part)
    part.deleteLastPathComponent()
  }
  var code: Int32 = 0
  for folder in missing.reversed() where code == 0 {
    if mkdir(folder.path, 0o777) != 0, errno != EEXIST { code = errno }
  }
  // What is there may be a file.
  if code == 0, access("\(path)/.", F_OK) != 0 { code = errno }
  guard code == 0 else {
    throw StorageError(
      .inputOutput, path: path, section: "create folder", problem: String(cString: strerror(code)), remedy: remedy)
  }
  for folder in missing { try AtomicFile.flushFolder(folder.deletingLastPathComponent().path) }
}

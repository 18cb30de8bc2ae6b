/// One line that says what is wrong with a data file, where, and how to mend it.
package struct DataError: Error, Equatable, CustomStringConvertible {
  package let path: String
  package let message: String
  /// The exit code of the process (sysexits.h): 65 wrong contents, 66 missing or not readable as a file, 74 not
  /// writable.
  package let exitCode: Int32

  package init(path: String, message: String, exitCode: Int32) {
    (self.path, self.message, self.exitCode) = (path, message, exitCode)
  }

  package var description: String { "\(path): \(message)" }

  /// The file was read, and its contents cannot be used.
  package static func badContents(_ path: String, _ message: String) -> DataError {
    DataError(path: path, message: message, exitCode: 65)
  }

  /// The file does not exist or is not readable as a file.
  package static func unreadable(_ path: String, _ message: String) -> DataError {
    DataError(path: path, message: message, exitCode: 66)
  }

  /// The file cannot be written.
  package static func unwritable(_ path: String, _ message: String) -> DataError {
    DataError(path: path, message: message, exitCode: 74)
  }
}

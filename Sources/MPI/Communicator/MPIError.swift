internal import CMPI

/// An error that carries the exit code of the program that ends with it.
public protocol ExitCodeProviding: Error {
  var exitCode: Int32 { get }
}

/// The failure of a call of the MPI library.
public struct MPIError: Error, Equatable, Sendable, CustomStringConvertible, ExitCodeProviding {
  /// The MPI function that failed.
  public let operation: String
  /// The code that it returned.
  public let code: Int32
  /// The library's description of the code, on one line.
  public let message: String

  public var description: String { "\(operation) failed: \(message) (code \(code))" }

  /// Communication fails when the other side has gone.
  public var exitCode: Int32 { 76 }

  init(operation: String, code: Int32, message: String) {
    self.operation = operation
    self.code = code
    self.message = message
  }

  init(operation: String, code: Int32) {
    self.init(
      operation: operation, code: code,
      message: libraryText { fgn_error_string(code, $0) } ?? "unknown error")
  }
}

/// Throws the error of `code`, the result of `operation`, unless it means success. Local.
@inline(__always)
func check(_ code: Int32, _ operation: StaticString) throws(MPIError) {
  if code != Int32(fgn_success) { throw MPIError(operation: "\(operation)", code: code) }
}

/// The text that `write` leaves in a buffer, on one line (MPICH's has several); nil if it fails.
func libraryText(_ write: (UnsafeMutablePointer<CChar>) -> Int32) -> String? {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: fgn_text_capacity) { buffer in
    buffer.initialize(repeating: 0)
    guard write(buffer.baseAddress!) == Int32(fgn_success) else { return nil }
    let lines = String(cString: buffer.baseAddress!).split(whereSeparator: \.isNewline)
    return lines.map { $0.split(whereSeparator: \.isWhitespace).joined(separator: " ") }.joined(separator: "; ")
  }
}

import MPI

/// A configuration that cannot be used. Its description is one line: where, what was found, what is allowed.
package struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible, ExitCodeProviding {
  /// The file, or the option on the command line; empty if the setting could come from either.
  package let source: String
  /// Such as `optimizer.damping.initial`; empty for the document as a whole.
  package let key: String
  package let problem: String
  package let exitCode: Int32

  package init(source: String = "", key: String = "", _ problem: String, exitCode: Int32 = 64) {
    self.source = source
    self.key = key
    self.problem = problem
    self.exitCode = exitCode
  }

  package var description: String {
    [source, key, problem].filter { !$0.isEmpty }.joined(separator: ": ")
      .split(whereSeparator: \.isNewline).joined(separator: " ")
  }
}

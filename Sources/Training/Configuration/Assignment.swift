/// A setting and its text, as `KEY=VALUE` gives them on the command line.
package struct Assignment: Equatable, Sendable {
  /// The path of the setting, such as `optimizer.batch_size`.
  package let key: String
  package let value: String

  /// nil for a text without `=` or without a key.
  package init?(_ text: String) {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, !parts[0].isEmpty else { return nil }
    (key, value) = (parts[0], parts[1])
  }
}

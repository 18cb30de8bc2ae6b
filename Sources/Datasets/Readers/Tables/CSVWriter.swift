import LinearAlgebra

/// Writes a table row by row, with its labels in the last column. The file appears at its path with `finish()`; without
/// it nothing is left.
package struct CSVWriter: ~Copyable {
  private var text: TextWriter
  private let separator: CSV.Separator

  /// `names` is the header line, including the name of the labels; nil writes no header. Throws exit code 74, also for
  /// a name with a line break.
  package init(_ path: String, names: [String]? = nil, separator: CSV.Separator = .comma) throws(DataError) {
    var text = try TextWriter(path)
    if let names {
      // Quotes tell names that are numbers, or marks of missing ones, from an example.
      let hasNumbers = names.contains { ExactDecimal($0) != nil || CSVField.isMissingNumber($0) }
      for (column, name) in names.enumerated() {
        if column > 0 { text.append(byte: separator.byte) }
        let field = try Self.field(name, path)
        text.append(hasNumbers && !field.hasPrefix("\"") ? "\"\(field)\"" : field)
      }
      try text.endLine()
    }
    self.text = text
    self.separator = separator
  }

  /// Appends a row; a `label` of nil writes no label. Throws exit code 74, also for a label with a line break.
  package mutating func append<Scalar: BLASScalar>(
    values: some Collection<Scalar>, label: String?
  ) throws(DataError) {
    var isFirst = true
    for value in values {
      if !isFirst { text.append(byte: separator.byte) }
      text.append(value)
      isFirst = false
    }
    if let label {
      if !isFirst { text.append(byte: separator.byte) }
      text.append(try Self.field(label, text.path))
    }
    try text.endLine()
  }

  /// Ensures that all rows are on disk. Throws exit code 74.
  mutating func complete() throws(DataError) { try text.complete() }

  /// Puts the complete file in place. Throws exit code 74.
  package mutating func finish() throws(DataError) { try text.finish() }

  private static func field(_ string: String, _ path: String) throws(DataError) -> String {
    let bytes = Array(string.utf8)
    guard !bytes.contains(where: { "\r\n".utf8.contains($0) }) else {
      let name = bytes.withUnsafeBufferPointer { TextFault.quoted($0) }
      throw .unwritable(path, "\(name) has a line break, which tables are read without; rename it")
    }
    return CSV.field(string)
  }
}

extension CSV {
  /// A text as a field of a table, quoted if a reader could take a part of it for a separator, for the end of a line, for
  /// spaces around a field, or the whole line for a comment.
  package static func field(_ text: String) -> String {
    if !text.isEmpty, !text.hasPrefix("#"), !text.utf8.contains(where: { "\",;\t\r\n ".utf8.contains($0) }) {
      return text
    }
    let quoted = text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"")
    return "\"\(quoted)\""
  }
}

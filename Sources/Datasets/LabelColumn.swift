/// The label texts of a file's rows, as numbers into the list of distinct ones.
package struct LabelColumn {
  package let path: String
  /// The distinct texts, in the order in which the file has them.
  package let texts: [String]
  /// The line, counted from 1, in which each of `texts` is first seen.
  package let lines: [Int]
  /// The index into `texts` of each row.
  package let codes: [Int32]

  package init(path: String, texts: [String], lines: [Int], codes: [Int32]) {
    precondition(texts.count == lines.count, "\(texts.count) texts have \(lines.count) lines")
    self.path = path
    self.texts = texts
    self.lines = lines
    self.codes = codes
  }
}

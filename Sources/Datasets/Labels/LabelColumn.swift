/// The label texts of rows of files, as numbers into the list of distinct ones.
package struct LabelColumn {
  /// The distinct texts, in the order in which the files have them.
  package let texts: [String]
  /// Where each of `texts` is first seen.
  package let places: [Place]
  /// The index into `texts` of each row.
  package let codes: [Int32]

  package struct Place {
    package let path: String
    /// Counted from 1.
    package let line: Int
    /// Whether the file is an array, which has rows in the place of lines.
    package var isArray = false

    package init(path: String, line: Int, isArray: Bool = false) {
      self.path = path
      self.line = line
      self.isArray = isArray
    }

    /// For errors: examples of arrays count from 0.
    package var text: String { isArray ? "example \(line - 1)" : "line \(line)" }
  }

  package init(texts: [String], places: [Place], codes: [Int32]) {
    precondition(texts.count == places.count, "\(texts.count) texts have \(places.count) places")
    self.texts = texts
    self.places = places
    self.codes = codes
  }
}

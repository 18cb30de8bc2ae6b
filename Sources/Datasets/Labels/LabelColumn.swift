/// The label texts of the rows of files, as indices into the list of distinct texts.
package struct LabelColumn {
  /// The distinct texts, in the order in which they first appear.
  package let texts: [String]
  /// The place where each of `texts` first appears.
  package let places: [Place]
  /// The index into `texts` of each row.
  package let codes: [Int32]

  package struct Place {
    package let path: String
    /// Counted from 1.
    package let line: Int
    /// Whether the file is an array, which has rows instead of lines.
    package var isArray = false

    package init(path: String, line: Int, isArray: Bool = false) {
      self.path = path
      self.line = line
      self.isArray = isArray
    }

    /// The place in words for errors; examples of arrays count from 0.
    package var text: String { isArray ? "example \(line - 1)" : "line \(line)" }
  }

  package init(texts: [String], places: [Place], codes: [Int32]) {
    precondition(texts.count == places.count, "\(texts.count) texts have \(places.count) places")
    self.texts = texts
    self.places = places
    self.codes = codes
  }
}

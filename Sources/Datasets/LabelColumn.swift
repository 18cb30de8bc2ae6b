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

    package init(path: String, line: Int) {
      self.path = path
      self.line = line
    }
  }

  package init(texts: [String], places: [Place], codes: [Int32]) {
    precondition(texts.count == places.count, "\(texts.count) texts have \(places.count) places")
    self.texts = texts
    self.places = places
    self.codes = codes
  }
}

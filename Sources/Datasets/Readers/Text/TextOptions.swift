/// How text files of examples are read, whichever format they have.
package struct TextOptions: Equatable, Sendable {
  /// How a table is read, apart from its number of features and its element.
  package var table: CSV.Options
  /// The number of features, where it is known, since files need not show all of them; a table with exactly this many
  /// columns has no labels.
  package var columns: Int?
  /// The index of the first column in `svmlight`.
  package var indexBase: SVMLight.IndexBase

  package init(
    table: CSV.Options = CSV.Options(), columns: Int? = nil, indexBase: SVMLight.IndexBase = .auto
  ) {
    (self.table, self.columns, self.indexBase) = (table, columns, indexBase)
  }

  /// How a table is read, with this number of features, into values of this type.
  func table(of element: FeatureMatrix.Element) -> CSV.Options {
    var options = table
    (options.featureCount, options.element) = (columns, element)
    return options
  }
}

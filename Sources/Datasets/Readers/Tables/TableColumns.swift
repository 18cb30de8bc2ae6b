/// The names of a table's columns.
package struct TableColumns: Codable, Equatable, Sendable {
  /// The names of the features, in their order; empty for a table without a line of names.
  package var features: [String]
  /// The name of the label column; nil without labels or names.
  package var label: String?
  /// The number of the label column in the file, counted from 1; nil without labels, or where it is not known.
  package var labelColumn: Int?
  /// A remark on the columns for the user.
  package var note: String?

  package init(features: [String], label: String? = nil, labelColumn: Int? = nil, note: String? = nil) {
    self.features = features
    self.label = label
    self.labelColumn = labelColumn
    self.note = note
  }

  /// The names of the features, to be compared.
  package var names: [ScalarText] { features.map(\.scalars) }

  package static func == (one: TableColumns, other: TableColumns) -> Bool {
    one.names == other.names && one.label?.scalars == other.label?.scalars && one.note == other.note
  }

  package var hasNames: Bool { !features.isEmpty }

  /// The decision about the first line of the table, in words.
  package var decision: String { hasNames ? "header: names" : "no header" }

  /// The decision, and the column of the labels by its name.
  package var decisionWithLabel: String { decision + (label.map { ", label \(Self.list([$0]))" } ?? "") }

  /// How a table was read for a model that knows `known`, and which column is the labels', in words.
  package func summary(_ known: TableColumns?) -> String {
    let place = label.map { "label \(Self.list([$0]))" } ?? labelColumn.map { "label in column \($0)" } ?? "no labels"
    if let note { return "\(note); \(place)" }
    return decision + (hasNames && known?.hasNames == true ? ", columns by name, " : ", columns by position, ") + place
  }

  /// Some of the names for a message, in quotes.
  static func list(_ names: some Collection<String>) -> String {
    let shown = names.prefix(8).map { Array($0.utf8).withUnsafeBufferPointer { TextFault.quoted($0) } }
    return shown.joined(separator: ", ") + (names.count > 8 ? ", … (\(names.count))" : "")
  }
}

/// Names that people give the column of the labels.
enum LabelName {
  private static let words: Set<String> = [
    "label", "labels", "target", "targets", "class", "classes", "category", "kind", "species",
  ]
  /// Names of labels that may be classes themselves, or coordinates.
  private static let others: Set<String> = [
    "y", "y_true", "class_id", "class_label", "class_name", "label_id", "outcome", "categories", "diagnosis",
  ]

  /// Whether a text is a usual name of labels and hardly a class.
  static func isWord(_ text: String) -> Bool { words.contains(text.lowercased()) }

  /// Whether a name in a line of names is one that labels usually have. Beside x, y is a coordinate.
  static func isUsual(_ name: String, among names: [String]) -> Bool {
    let name = name.lowercased()
    if name == "y", names.count > 2, names.contains(where: { $0.lowercased() == "x" }) { return false }
    return words.contains(name) || others.contains(name)
  }
}

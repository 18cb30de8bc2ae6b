/// A text that is compared scalar by scalar, as in Python.
///
/// Swift's own strings are equal where they are canonically equivalent, as an é of one scalar and an é of two are.
package struct ScalarText: Hashable, Comparable {
  package let text: String

  package init(_ text: String) { self.text = text }

  package static func == (one: ScalarText, other: ScalarText) -> Bool { one.text.utf8.elementsEqual(other.text.utf8) }

  /// The order of the scalars, which is that of the bytes in UTF-8.
  package static func < (one: ScalarText, other: ScalarText) -> Bool {
    one.text.utf8.lexicographicallyPrecedes(other.text.utf8)
  }

  package func hash(into hasher: inout Hasher) {
    for byte in text.utf8 { hasher.combine(byte) }
    hasher.combine(UInt8.max)
  }
}

extension String {
  /// This text, to be compared scalar by scalar.
  package var scalars: ScalarText { ScalarText(self) }
}

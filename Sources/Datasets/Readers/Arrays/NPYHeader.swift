/// The Python dictionary at the start of an NPY file, such as
/// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
struct NPYHeader: Equatable {
  /// NumPy's name of the number type; nil for a list of fields.
  let descriptor: String?
  let isFortranOrder: Bool
  let shape: [Int]

  struct Malformed: Error {
    let message: String
    /// The offset in bytes within the dictionary.
    let offset: Int
  }

  /// Reads exactly the three keys, in any order, once each; spaces and one final newline may follow.
  init(parsing bytes: UnsafeRawBufferPointer) throws(Malformed) {
    var parser = Parser(bytes: bytes)
    var descriptor: String??
    var isFortranOrder: Bool?
    var shape: [Int]?
    try parser.expect("{")
    while !parser.skip("}") {
      let start = parser.offset
      let key = try parser.string()
      try parser.expect(":")
      switch key {
      case "descr" where descriptor == nil: descriptor = .some(try parser.descriptor())
      case "fortran_order" where isFortranOrder == nil: isFortranOrder = try parser.boolean()
      case "shape" where shape == nil: shape = try parser.tuple()
      default: throw Malformed(message: "the key '\(key)' is unknown or there twice", offset: start)
      }
      if !parser.skip(",") {
        try parser.expect("}")
        break
      }
    }
    try parser.expectEnd()
    guard let descriptor, let isFortranOrder, let shape else {
      throw Malformed(message: "one of the keys 'descr', 'fortran_order' and 'shape' is missing", offset: 0)
    }
    self.descriptor = descriptor
    self.isFortranOrder = isFortranOrder
    self.shape = shape
  }
}

/// The part of Python's grammar that the header needs. Never reads outside `bytes`, whatever they hold.
private struct Parser {
  let bytes: UnsafeRawBufferPointer
  var offset = 0

  mutating func skipSpace() {
    while offset < bytes.count, bytes[offset] == 0x20 || bytes[offset] == 0x09 { offset += 1 }
  }

  mutating func skip(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard offset < bytes.count, bytes[offset] == UInt8(ascii: character) else { return false }
    offset += 1
    return true
  }

  mutating func expect(_ character: Unicode.Scalar) throws(NPYHeader.Malformed) {
    guard skip(character) else { throw malformed("expected '\(character)'") }
  }

  mutating func expectEnd() throws(NPYHeader.Malformed) {
    skipSpace()
    if offset < bytes.count, bytes[offset] == 0x0a { offset += 1 }
    guard offset == bytes.count else { throw malformed("something follows the dictionary") }
  }

  /// A string of printable ASCII in single or double quotes, without escapes.
  mutating func string() throws(NPYHeader.Malformed) -> String {
    skipSpace()
    guard offset < bytes.count, bytes[offset] == UInt8(ascii: "'") || bytes[offset] == UInt8(ascii: "\"") else {
      throw malformed("expected a string")
    }
    let quote = bytes[offset]
    offset += 1
    var text = ""
    while offset < bytes.count, bytes[offset] != quote {
      let byte = bytes[offset]
      guard (0x20..<0x7f).contains(byte), byte != UInt8(ascii: "\\") else { throw malformed("unexpected character") }
      text.unicodeScalars.append(Unicode.Scalar(byte))
      offset += 1
    }
    guard offset < bytes.count else { throw malformed("a string without an end") }
    offset += 1
    return text
  }

  /// The name of a type; nil for the list of a record's fields, which is skipped.
  mutating func descriptor() throws(NPYHeader.Malformed) -> String? {
    skipSpace()
    guard skip("[") else { return try string() }
    var depth = 1
    while depth > 0 {
      if skip("[") {
        depth += 1
      } else if skip("]") {
        depth -= 1
      } else if !skip("(") && !skip(")") && !skip(",") {
        if offset < bytes.count, isDigit(bytes[offset]) { _ = try integer() } else { _ = try string() }
      }
    }
    return nil
  }

  mutating func boolean() throws(NPYHeader.Malformed) -> Bool {
    skipSpace()
    for (word, value) in [("True", true), ("False", false)] where bytes[offset...].starts(with: word.utf8) {
      offset += word.utf8.count
      return value
    }
    throw malformed("expected True or False")
  }

  /// A tuple of extents: `()`, `(3,)`, `(3, 4)` or `(3, 4,)`.
  mutating func tuple() throws(NPYHeader.Malformed) -> [Int] {
    try expect("(")
    var extents: [Int] = []
    while !skip(")") {
      extents.append(try integer())
      if !skip(",") {
        // In Python, (3) is a number.
        guard extents.count > 1 else { throw malformed("expected ','") }
        try expect(")")
        break
      }
    }
    return extents
  }

  mutating func integer() throws(NPYHeader.Malformed) -> Int {
    skipSpace()
    let start = offset
    var value = 0
    while offset < bytes.count, isDigit(bytes[offset]) {
      let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tenfold.addingReportingOverflow(Int(bytes[offset] - UInt8(ascii: "0")))
      guard !overflow && !carry else { throw malformed("a number is too large") }
      value = sum
      offset += 1
    }
    guard offset > start else { throw malformed("expected a number") }
    return value
  }

  private func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  private func malformed(_ message: String) -> NPYHeader.Malformed { .init(message: message, offset: offset) }
}

/// The header of a safetensors file, parsed and checked.
///
/// Foundation's parser accepts too much from a damaged or hostile header: it silently drops one of two equal keys, and
/// it rounds numbers that are too large.
package struct SafetensorsLayout {
  package struct Entry {
    package let name: String
    /// The format's name of the type, such as `F32`.
    package let type: String
    package let shape: [Int]
    /// The range of the data, counted from the end of the header.
    package let range: Range<Int>
  }

  /// A fault, and the part of the file that has it.
  package struct Fault: Error {
    package let section: String
    package let problem: String

    init(section: String, _ problem: String) {
      self.section = section
      self.problem = problem
    }

    /// A fault of one tensor.
    package init(tensor name: String, _ problem: String) {
      self.init(section: "tensor \(quotedName(name))", problem)
    }
  }

  /// The tensors, in the order of their data.
  package let entries: [Entry]
  package let metadata: [String: String]

  package static let metadataKey = "__metadata__"
  /// The limit that the format sets, in bytes.
  package static let largestHeader = 100_000_000

  /// Bytes of a value by the name of its type, for types of whole bytes.
  package static let widths = [
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2,
    "U8": 1,
    "BOOL": 1, "C64": 8, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
  ]

  /// Parses `bytes` and verifies that the tensors fill `dataCount` bytes of data without overlap or gap.
  package init(_ bytes: [UInt8], dataCount: Int) throws(Fault) {
    var entries: [Entry] = []
    var metadata: [String: String] = [:]
    var parser = JSONParser(bytes: bytes)
    // The format requires the brace to be the first byte; blanks may only follow the object.
    guard bytes.first == UInt8(ascii: "{") else { throw parser.fault("does not begin with {") }
    try parser.object { (parser, name) throws(Fault) in
      if name == Self.metadataKey {
        try parser.object { (parser, key) throws(Fault) in metadata[key] = try parser.string() }
      } else {
        entries.append(try Self.entry(name, &parser))
      }
    }
    try parser.end()

    // In the order of their data; empty tensors precede the tensor that begins at the same offset.
    self.entries = entries.sorted {
      ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
    }
    self.metadata = metadata
    var end = 0
    for entry in self.entries {
      guard entry.range.lowerBound == end else {
        let problem = entry.range.lowerBound < end ? "overlaps the tensor before it" : "leaves a hole before it"
        throw Fault(tensor: entry.name, problem)
      }
      end = entry.range.upperBound
    }
    guard end == dataCount else {
      throw Fault(section: "data", "the header describes \(end) bytes and the file has \(dataCount)")
    }
  }

  /// Reads the value of a tensor's name.
  private static func entry(_ name: String, _ parser: inout JSONParser) throws(Fault) -> Entry {
    var type: String?
    var shape: [Int]?
    var offsets: [Int]?
    try parser.object { (parser, key) throws(Fault) in
      switch key {
      case "dtype": type = try parser.string()
      case "shape": shape = try parser.integers()
      case "data_offsets": offsets = try parser.integers()
      default: throw Fault(tensor: name, "has an unknown field \(quotedName(key))")
      }
    }
    guard let type, let shape, let offsets else {
      throw Fault(tensor: name, "lacks one of dtype, shape and data_offsets")
    }
    guard offsets.count == 2, offsets[0] <= offsets[1] else {
      throw Fault(tensor: name, "has data_offsets that are not a begin and an end")
    }
    if var size = widths[type] {
      for dimension in shape {
        let (product, overflow) = size.multipliedReportingOverflow(by: dimension)
        guard !overflow else { throw Fault(tensor: name, "has an impossibly large shape") }
        size = product
      }
      guard size == offsets[1] - offsets[0] else {
        throw Fault(tensor: name, "needs \(size) bytes by its shape and has \(offsets[1] - offsets[0])")
      }
    }
    return Entry(name: name, type: type, shape: shape, range: offsets[0]..<offsets[1])
  }
}

/// `name` as a line of text can show it: quoted, without control characters, and shortened.
package func quotedName(_ name: String) -> String {
  name.count <= 100 ? name.debugDescription : String(name.prefix(100)).debugDescription + "…"
}

/// The part of JSON that such a header needs: objects with unique keys, strings, and lists of integers ≥ 0.
private struct JSONParser {
  let bytes: [UInt8]
  private var position = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  func fault(_ problem: String) -> SafetensorsLayout.Fault {
    .init(section: "header", "\(problem) (at byte \(position) of the header)")
  }

  /// Reads an object; `member` reads the value of each key.
  mutating func object(
    _ member: (inout JSONParser, String) throws(SafetensorsLayout.Fault) -> Void
  ) throws(SafetensorsLayout.Fault) {
    var keys: Set<String> = []
    try expect("{")
    if accept("}") { return }
    repeat {
      let key = try string()
      guard keys.insert(key).inserted else { throw fault("has the key \(quotedName(key)) twice") }
      try expect(":")
      try member(&self, key)
    } while accept(",")
    try expect("}")
  }

  mutating func integers() throws(SafetensorsLayout.Fault) -> [Int] {
    var numbers: [Int] = []
    try expect("[")
    if accept("]") { return numbers }
    repeat { numbers.append(try integer()) } while accept(",")
    try expect("]")
    return numbers
  }

  mutating func string() throws(SafetensorsLayout.Fault) -> String {
    try expect("\"")
    var text: [UInt8] = []
    while let byte = next() {
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: text, as: UTF8.self) else { throw fault("is not UTF-8") }
        return string
      case UInt8(ascii: "\\"): text += try escape()
      case 0..<0x20: throw fault("has a control character in a string")
      default: text.append(byte)
      }
    }
    throw fault("ends inside a string")
  }

  /// Requires that only blanks follow.
  mutating func end() throws(SafetensorsLayout.Fault) {
    skipBlanks()
    guard position == bytes.count else { throw fault("goes on after its end") }
  }

  private mutating func integer() throws(SafetensorsLayout.Fault) -> Int {
    skipBlanks()
    let start = position
    var value = 0
    while position < bytes.count, case let digit = Int(bytes[position]) - 0x30, (0...9).contains(digit) {
      let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tens.addingReportingOverflow(digit)
      guard !overflow && !carry else { throw fault("has a number that is too large") }
      value = sum
      position += 1
    }
    let isPlain = position - start == 1 || (position > start && bytes[start] != UInt8(ascii: "0"))
    guard isPlain else { throw fault("needs an integer ≥ 0 here") }
    return value
  }

  /// The UTF-8 of the escape sequence whose backslash was just read.
  private mutating func escape() throws(SafetensorsLayout.Fault) -> [UInt8] {
    switch next().map({ Unicode.Scalar($0) }) {
    case "n": return [0x0A]
    case "t": return [0x09]
    case "r": return [0x0D]
    case "b": return [0x08]
    case "f": return [0x0C]
    case let plain? where plain == "\"" || plain == "\\" || plain == "/": return [UInt8(ascii: plain)]
    case "u":
      var code = try hexadecimal()
      if (0xD800..<0xDC00).contains(code), next() == UInt8(ascii: "\\"), next() == UInt8(ascii: "u") {
        let low = try hexadecimal()
        // Anything but a low surrogate gives a number that is not a scalar, hence the error below.
        code = (0xDC00..<0xE000).contains(low) ? 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00) : code
      }
      guard let scalar = Unicode.Scalar(code) else { throw fault("has half a surrogate pair") }
      return Array(String(scalar).utf8)
    default: throw fault("has an unknown escape sequence")
    }
  }

  private mutating func hexadecimal() throws(SafetensorsLayout.Fault) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = next().flatMap({ Character(Unicode.Scalar($0)).hexDigitValue }) else {
        throw fault("needs four hexadecimal digits here")
      }
      code = code << 4 | UInt32(digit)
    }
    return code
  }

  private mutating func next() -> UInt8? {
    guard position < bytes.count else { return nil }
    defer { position += 1 }
    return bytes[position]
  }

  private mutating func skipBlanks() {
    while position < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[position]) { position += 1 }
  }

  private mutating func accept(_ mark: Unicode.Scalar) -> Bool {
    skipBlanks()
    guard position < bytes.count, bytes[position] == UInt8(ascii: mark) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ mark: Unicode.Scalar) throws(SafetensorsLayout.Fault) {
    guard accept(mark) else { throw fault("needs \(mark) here") }
  }
}

/// The header of a safetensors file, taken apart and checked.
///
/// A parser of its own instead of Foundation's, which accepts what a damaged or hostile header may contain: of two equal
/// keys it drops one without a word, and it rounds numbers that are too large.
struct SafetensorsHeader {
  struct Entry {
    let name: String
    let dtype: Tensor.DataType
    let shape: [Int]
    /// Where the data lies, counted from the end of the header.
    let range: Range<Int>
  }

  /// In the order of their data.
  let entries: [Entry]
  let metadata: [String: String]

  /// Parses `bytes` and checks that the tensors fill `dataCount` bytes of data without overlap or hole.
  init(_ bytes: [UInt8], dataCount: Int, path: String) throws(StorageError) {
    var entries: [Entry] = []
    var metadata: [String: String] = [:]
    var parser = JSONParser(bytes: bytes, path: path)
    // The format wants the first byte to be the brace; blanks may only follow the object.
    guard bytes.first == UInt8(ascii: "{") else { throw parser.fault("does not begin with {") }
    try parser.object { (parser, name) throws(StorageError) in
      if name == Safetensors.metadataKey {
        try parser.object { (parser, key) throws(StorageError) in metadata[key] = try parser.string() }
      } else {
        entries.append(try Self.entry(name, &parser, path))
      }
    }
    try parser.end()

    // Sorted by where they lie; empty tensors come before the one that begins at the same place.
    self.entries = entries.sorted {
      ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
    }
    self.metadata = metadata
    var end = 0
    for entry in self.entries {
      guard entry.range.lowerBound == end else {
        let problem = entry.range.lowerBound < end ? "overlaps the tensor before it" : "leaves a hole before it"
        throw Self.damaged(path, tensor: entry.name, problem)
      }
      end = entry.range.upperBound
    }
    guard end == dataCount else {
      throw Safetensors.damaged(
        path, section: "data", "the header describes \(end) bytes and the file has \(dataCount)")
    }
  }

  /// Reads what follows a tensor's name.
  private static func entry(
    _ name: String, _ parser: inout JSONParser, _ path: String
  ) throws(StorageError) -> Entry {
    var type: String?
    var shape: [Int]?
    var offsets: [Int]?
    try parser.object { (parser, key) throws(StorageError) in
      switch key {
      case "dtype": type = try parser.string()
      case "shape": shape = try parser.integers()
      case "data_offsets": offsets = try parser.integers()
      default: throw damaged(path, tensor: name, "has an unknown field \(StorageError.quoted(key))")
      }
    }
    guard let type, let shape, let offsets else {
      throw damaged(path, tensor: name, "lacks one of dtype, shape and data_offsets")
    }
    guard let dtype = Tensor.DataType(rawValue: type) else {
      throw StorageError(
        .contents, path: path, section: "tensor \(StorageError.quoted(name))",
        problem: "has the type \(StorageError.quoted(type)), which fgn-dist does not read",
        remedy: "save it as one of \(Tensor.DataType.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    guard offsets.count == 2, offsets[0] <= offsets[1] else {
      throw damaged(path, tensor: name, "has data_offsets that are not a begin and an end")
    }
    var size = dtype.width
    for dimension in shape {
      let (product, overflow) = size.multipliedReportingOverflow(by: dimension)
      guard !overflow else { throw damaged(path, tensor: name, "has an impossibly large shape") }
      size = product
    }
    guard size == offsets[1] - offsets[0] else {
      throw damaged(path, tensor: name, "needs \(size) bytes by its shape and has \(offsets[1] - offsets[0])")
    }
    return Entry(name: name, dtype: dtype, shape: shape, range: offsets[0]..<offsets[1])
  }

  private static func damaged(_ path: String, tensor name: String, _ problem: String) -> StorageError {
    Safetensors.damaged(path, section: "tensor \(StorageError.quoted(name))", problem)
  }
}

/// The part of JSON that such a header consists of: objects with unique keys, strings, and lists of integers ≥ 0.
struct JSONParser {
  let bytes: [UInt8]
  let path: String
  private var position = 0

  init(bytes: [UInt8], path: String) {
    self.bytes = bytes
    self.path = path
  }

  func fault(_ problem: String) -> StorageError {
    Safetensors.damaged(path, section: "header", "\(problem) (at byte \(position) of the header)")
  }

  /// Reads an object; `member` reads the value of each key.
  mutating func object(
    _ member: (inout JSONParser, String) throws(StorageError) -> Void
  ) throws(StorageError) {
    var keys: Set<String> = []
    try expect("{")
    if accept("}") { return }
    repeat {
      let key = try string()
      guard keys.insert(key).inserted else { throw fault("has the key \(StorageError.quoted(key)) twice") }
      try expect(":")
      try member(&self, key)
    } while accept(",")
    try expect("}")
  }

  mutating func integers() throws(StorageError) -> [Int] {
    var numbers: [Int] = []
    try expect("[")
    if accept("]") { return numbers }
    repeat { numbers.append(try integer()) } while accept(",")
    try expect("]")
    return numbers
  }

  mutating func string() throws(StorageError) -> String {
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
  mutating func end() throws(StorageError) {
    skipBlanks()
    guard position == bytes.count else { throw fault("goes on after its end") }
  }

  private mutating func integer() throws(StorageError) -> Int {
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
  private mutating func escape() throws(StorageError) -> [UInt8] {
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
        // Anything but a low half makes a number that is no scalar, hence the error below.
        code = (0xDC00..<0xE000).contains(low) ? 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00) : code
      }
      guard let scalar = Unicode.Scalar(code) else { throw fault("has half a surrogate pair") }
      return Array(String(scalar).utf8)
    default: throw fault("has an unknown escape sequence")
    }
  }

  private mutating func hexadecimal() throws(StorageError) -> UInt32 {
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

  private mutating func expect(_ mark: Unicode.Scalar) throws(StorageError) {
    guard accept(mark) else { throw fault("needs \(mark) here") }
  }
}

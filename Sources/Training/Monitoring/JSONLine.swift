import MPI

/// One JSON object on one line, written key by key: it takes a few microseconds per step, and `JSONEncoder` takes 70.
struct JSONLine {
  private(set) var bytes: [UInt8] = []

  init(capacity: Int = 1024) {
    bytes.reserveCapacity(capacity)
    bytes.append(UInt8(ascii: "{"))
  }

  /// Adds a number with enough digits to restore its bits; `nan`, `inf` and `-inf` become words, nil becomes null.
  mutating func add(_ key: StaticString, _ value: Double?) {
    begin(key)
    append(value)
  }

  mutating func add(_ key: StaticString, _ value: Int?) {
    begin(key)
    if let value { append(value) } else { append("null") }
  }

  mutating func add(_ key: StaticString, _ value: Bool) {
    begin(key)
    append(value ? "true" : "false")
  }

  /// Adds a word without characters that JSON escapes.
  mutating func add(_ key: StaticString, word: String?) {
    begin(key)
    guard let word else { return append("null") }
    bytes.append(UInt8(ascii: "\""))
    bytes.append(contentsOf: word.utf8)
    bytes.append(UInt8(ascii: "\""))
  }

  /// Adds an object of seconds, rounded to nanoseconds.
  mutating func add(_ key: StaticString, seconds: some Sequence<(word: String, seconds: Double)>) {
    begin(key)
    bytes.append(UInt8(ascii: "{"))
    var isFirst = true
    for (word, value) in seconds {
      if !isFirst { bytes.append(UInt8(ascii: ",")) }
      isFirst = false
      bytes.append(UInt8(ascii: "\""))
      bytes.append(contentsOf: word.utf8)
      append("\":")
      append(nanoseconds: value)
    }
    bytes.append(UInt8(ascii: "}"))
  }

  /// Adds a list of operations, each a list of its kind, its bytes, the seconds before it and those in it.
  mutating func add(_ key: StaticString, operations: [Communicator.Operation]) {
    begin(key)
    bytes.append(UInt8(ascii: "["))
    for (index, operation) in operations.enumerated() {
      append(index == 0 ? "[\"" : ",[\"")
      bytes.append(contentsOf: operation.kind.rawValue.utf8)
      append("\",")
      append(operation.bytes)
      for seconds in [operation.before, operation.seconds] {
        bytes.append(UInt8(ascii: ","))
        append(nanoseconds: seconds)
      }
      bytes.append(UInt8(ascii: "]"))
    }
    bytes.append(UInt8(ascii: "]"))
  }

  /// The complete line with its newline.
  consuming func finished() -> [UInt8] {
    append("}\n")
    return bytes
  }

  private mutating func begin(_ key: StaticString) {
    if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
    bytes.append(UInt8(ascii: "\""))
    append(key)
    append("\":")
  }

  private mutating func append(_ text: StaticString) {
    bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  private mutating func append(_ value: Double?) {
    guard let value else { return append("null") }
    if value.isNaN { return append("\"nan\"") }
    if value.isInfinite { return append(value < 0 ? "\"-inf\"" : "\"inf\"") }
    bytes.append(contentsOf: value.description.utf8)
  }

  private mutating func append(_ value: Int) {
    bytes.append(contentsOf: value.description.utf8)
  }

  /// Writes a decimal fraction with integer arithmetic, several times faster than the shortest digits of a Double.
  private mutating func append(nanoseconds value: Double) {
    guard value >= 0, value < 1e9 else { return append(value) }
    let total = Int((value * 1e9).rounded())
    if total == 0 { return bytes.append(UInt8(ascii: "0")) }
    append(total / 1_000_000_000)
    bytes.append(UInt8(ascii: "."))
    var (rest, unit) = (total % 1_000_000_000, 100_000_000)
    repeat {
      bytes.append(UInt8(ascii: "0") + UInt8(rest / unit))
      rest %= unit
      unit /= 10
    } while rest > 0
  }
}

import Glibc

/// The records of TensorBoard's event files: an `Event` of TensorFlow's `event.proto` in the protobuf wire format,
/// framed as a TFRecord. Numbers are little-endian.
enum TensorBoardEvent {
  /// The first record of a file.
  static func version(time: Double) -> [UInt8] {
    record(time: time, step: 0) { $0.field(3, text: "brain.Event:2") }
  }

  /// The start of a session: readers drop their events of `step` and later steps.
  static func start(time: Double, step: Int) -> [UInt8] {
    record(time: time, step: step) { event in event.field(7) { $0.field(1, integer: 1) } }
  }

  /// Scalars of one step, in single precision; nil values are left out.
  static func scalars(_ values: [(tag: String, value: Double?)], time: Double, step: Int) -> [UInt8] {
    record(time: time, step: step) { event in
      event.field(5) { summary in
        for (tag, value) in values {
          guard let value else { continue }
          summary.field(1) {
            $0.field(1, text: tag)
            $0.field(2, single: Float(value))
          }
        }
      }
    }
  }

  /// A histogram of one step.
  static func histogram(_ tag: String, _ histogram: Histogram, time: Double, step: Int) -> [UInt8] {
    let (limits, counts) = histogram.occupied
    return record(time: time, step: step) { event in
      event.field(5) { summary in
        summary.field(1) {
          $0.field(1, text: tag)
          $0.field(5) {
            $0.field(1, double: histogram.minimum)
            $0.field(2, double: histogram.maximum)
            $0.field(3, double: histogram.count)
            $0.field(4, double: histogram.sum)
            $0.field(5, double: histogram.squaredSum)
            $0.field(6, doubles: limits)
            $0.field(7, doubles: counts)
          }
        }
      }
    }
  }

  private static func record(time: Double, step: Int, _ body: (inout ProtobufMessage) -> Void) -> [UInt8] {
    var event = ProtobufMessage()
    event.field(1, double: time)
    event.field(2, integer: step)
    body(&event)
    return frame(event.bytes)
  }

  /// Frames data: length, checksum of the length, data, checksum of the data.
  static func frame(_ data: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(data.count + 16)
    let length = littleEndian(UInt64(data.count))
    result += length
    result += littleEndian(maskedChecksum(length))
    result += data
    result += littleEndian(maskedChecksum(data))
    return result
  }

  /// A checksum that may itself be part of checksummed data.
  static func maskedChecksum(_ bytes: [UInt8]) -> UInt32 {
    let crc = CRC32C.checksum(bytes)
    return (crc >> 15 | crc << 17) &+ 0xa282_ead8
  }
}

/// CRC-32C (Castagnoli), as in RFC 3720.
enum CRC32C {
  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { crc, _ in crc >> 1 ^ (crc & 1) &* 0x82f6_3b78 }
  }

  static func checksum(_ bytes: [UInt8]) -> UInt32 {
    table.withUnsafeBufferPointer { table in
      ~bytes.reduce(UInt32.max) { crc, byte in crc >> 8 ^ table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] }
    }
  }
}

/// A protobuf message under construction: fields by number, in the order in which they are added.
struct ProtobufMessage {
  private(set) var bytes: [UInt8] = []

  mutating func field(_ number: Int, integer: Int) {
    key(number, type: 0)
    varint(UInt64(bitPattern: Int64(integer)))
  }

  mutating func field(_ number: Int, double: Double) {
    key(number, type: 1)
    bytes += littleEndian(double.bitPattern)
  }

  mutating func field(_ number: Int, single: Float) {
    key(number, type: 5)
    bytes += littleEndian(single.bitPattern)
  }

  mutating func field(_ number: Int, text: String) {
    key(number, type: 2)
    varint(UInt64(text.utf8.count))
    bytes += text.utf8
  }

  /// Adds a packed list.
  mutating func field(_ number: Int, doubles: [Double]) {
    key(number, type: 2)
    varint(UInt64(8 * doubles.count))
    for value in doubles { bytes += littleEndian(value.bitPattern) }
  }

  /// Adds a nested message.
  mutating func field(_ number: Int, _ body: (inout ProtobufMessage) -> Void) {
    var part = ProtobufMessage()
    body(&part)
    key(number, type: 2)
    varint(UInt64(part.bytes.count))
    bytes += part.bytes
  }

  private mutating func key(_ number: Int, type: Int) { varint(UInt64(number << 3 | type)) }

  /// Seven bits per byte, the lowest first; the eighth bit says that more bytes follow.
  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest > 0x7f {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}

/// The bytes of an integer, the lowest first.
func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

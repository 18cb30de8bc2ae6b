import Foundation
import Testing

/// A TensorBoard event file, read without any of the program's own code for it.
struct EventFile {
  struct Histogram: Equatable {
    var minimum = 0.0
    var maximum = 0.0
    var count = 0.0
    var sum = 0.0
    var squaredSum = 0.0
    var limits: [Double] = []
    var counts: [Double] = []
  }

  enum Value: Equatable {
    case scalar(Float)
    case histogram(Histogram)
  }

  struct Event: Equatable {
    var time = 0.0
    var step: Int64 = 0
    var version: String?
    var sessionStatus: UInt64?
    var values: [String: Value] = [:]
  }

  struct Malformed: Error { let problem: String }

  var events: [Event] = []

  /// Reads all records, and verifies their checksums.
  init(_ bytes: [UInt8]) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      guard rest.count >= 12 else { throw Malformed(problem: "cut within a length") }
      let length = Int(Self.number(rest.prefix(8)))
      guard Self.number(rest.dropFirst(8).prefix(4)) == UInt64(Self.masked(Array(rest.prefix(8)))) else {
        throw Malformed(problem: "checksum of a length")
      }
      rest = rest.dropFirst(12)
      guard rest.count >= length + 4 else { throw Malformed(problem: "cut within a record") }
      let data = Array(rest.prefix(length))
      guard Self.number(rest.dropFirst(length).prefix(4)) == UInt64(Self.masked(data)) else {
        throw Malformed(problem: "checksum of a record")
      }
      rest = rest.dropFirst(length + 4)
      events.append(try Self.event(data))
    }
  }

  /// The values of a tag with their steps.
  func scalars(_ tag: String) -> [(step: Int64, value: Float)] {
    events.compactMap { event in
      guard case .scalar(let value)? = event.values[tag] else { return nil }
      return (event.step, value)
    }
  }

  func histograms(_ tag: String) -> [(step: Int64, value: Histogram)] {
    events.compactMap { event in
      guard case .histogram(let value)? = event.values[tag] else { return nil }
      return (event.step, value)
    }
  }

  /// CRC-32C bit by bit.
  static func checksum(_ bytes: [UInt8]) -> UInt32 {
    var crc: UInt32 = 0xffff_ffff
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82f6_3b78 : crc >> 1 }
    }
    return ~crc
  }

  private static func masked(_ bytes: [UInt8]) -> UInt32 {
    let crc = checksum(bytes)
    return ((crc >> 15) | (crc << 17)) &+ 0xa282_ead8
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private enum Field {
    case number(UInt64)
    case bytes([UInt8])

    var double: Double {
      guard case .number(let bits) = self else { return .nan }
      return Double(bitPattern: bits)
    }

    var content: [UInt8] {
      guard case .bytes(let bytes) = self else { return [] }
      return bytes
    }

    /// A packed list.
    var doubles: [Double] {
      stride(from: 0, to: content.count, by: 8).map {
        Double(bitPattern: EventFile.number(content[$0..<$0 + 8]))
      }
    }
  }

  private static func fields(_ bytes: [UInt8]) throws -> [(number: Int, field: Field)] {
    var (result, rest): ([(Int, Field)], ArraySlice<UInt8>) = ([], bytes[...])
    func take(_ count: Int) throws -> ArraySlice<UInt8> {
      guard rest.count >= count else { throw Malformed(problem: "cut within a field") }
      defer { rest = rest.dropFirst(count) }
      return rest.prefix(count)
    }
    func varint() throws -> UInt64 {
      var (value, shift): (UInt64, UInt64) = (0, 0)
      while true {
        let byte = try take(1).first!
        value |= UInt64(byte & 0x7f) << shift
        if byte < 0x80 { return value }
        shift += 7
      }
    }
    while !rest.isEmpty {
      let key = try varint()
      let number = Int(key >> 3)
      switch key & 7 {
      case 0: result.append((number, .number(try varint())))
      case 1: result.append((number, .number(Self.number(try take(8)))))
      case 2: result.append((number, .bytes(Array(try take(Int(varint()))))))
      case 5: result.append((number, .number(Self.number(try take(4)))))
      default: throw Malformed(problem: "wire type \(key & 7)")
      }
    }
    return result
  }

  private static func event(_ bytes: [UInt8]) throws -> Event {
    var event = Event()
    for (number, field) in try fields(bytes) {
      switch (number, field) {
      case (1, .number(let bits)): event.time = Double(bitPattern: bits)
      case (2, .number(let bits)): event.step = Int64(bitPattern: bits)
      case (3, .bytes(let text)): event.version = String(decoding: text, as: UTF8.self)
      case (5, .bytes(let summary)):
        for (number, field) in try fields(summary) {
          guard number == 1 else { throw Malformed(problem: "field \(number) of a summary") }
          let (tag, value) = try self.value(field.content)
          guard event.values.updateValue(value, forKey: tag) == nil else { throw Malformed(problem: "\(tag) twice") }
        }
      case (7, .bytes(let session)):
        for case (1, .number(let status)) in try fields(session) { event.sessionStatus = status }
      default: throw Malformed(problem: "field \(number) of an event")
      }
    }
    return event
  }

  private static func value(_ bytes: [UInt8]) throws -> (String, Value) {
    var (tag, value): (String, Value?) = ("", nil)
    for (number, field) in try fields(bytes) {
      switch (number, field) {
      case (1, .bytes(let text)): tag = String(decoding: text, as: UTF8.self)
      case (2, .number(let bits)): value = .scalar(Float(bitPattern: UInt32(bits)))
      case (5, .bytes(let histogram)):
        var result = Histogram()
        for (number, field) in try fields(histogram) {
          switch number {
          case 1: result.minimum = field.double
          case 2: result.maximum = field.double
          case 3: result.count = field.double
          case 4: result.sum = field.double
          case 5: result.squaredSum = field.double
          case 6: result.limits = field.doubles
          case 7: result.counts = field.doubles
          default: throw Malformed(problem: "field \(number) of a histogram")
          }
        }
        value = .histogram(result)
      default: throw Malformed(problem: "field \(number) of a value")
      }
    }
    return (tag, try #require(value))
  }
}

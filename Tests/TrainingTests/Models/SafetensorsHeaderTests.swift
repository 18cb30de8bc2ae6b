import Foundation
import Testing

@testable import Training

/// Headers of an attacker or a broken program, each with the word that the error must name.
private struct Hostile: CustomTestStringConvertible, Sendable {
  let header: String
  let named: String
  var dataCount = 8
  var testDescription: String { header }

  /// A header of float32 tensors, each given as "name shape offsets".
  static func tensors(_ tensors: String..., named: String) -> Hostile {
    Hostile(header: "{" + tensors.map(tensor).joined(separator: ",") + "}", named: named)
  }

  static func metadata(_ text: String, named: String) -> Hostile {
    Hostile(header: #"{"__metadata__":\#(text)}"#, named: named, dataCount: 0)
  }

  static let syntax: [Hostile] = [
    Hostile(header: "", named: "does not begin"), Hostile(header: " {}", named: "does not begin"),
    Hostile(header: "[]", named: "does not begin"), Hostile(header: "{", named: "needs \""),
    Hostile(header: "{}x", named: "after its end"), Hostile(header: "{\"a\":1}", named: "needs {"),
    Hostile(header: "{\"a", named: "ends inside a string"), Hostile(header: "{\"a\\", named: "escape"),
    Hostile(header: "{\"a\":{},}", named: "lacks one"), Hostile(header: "{\"a\nb\":{}}", named: "control character"),
    Hostile(header: #"{"\x":{}}"#, named: "escape"), Hostile(header: #"{"\u00g0":{}}"#, named: "hexadecimal"),
    Hostile(header: #"{"\ud800":{}}"#, named: "surrogate"),
    Hostile(header: #"{"\ud800\ud800":{}}"#, named: "surrogate"),
    Hostile(header: #"{"\udc00":{}}"#, named: "surrogate"), Hostile(header: #"{"\ud800\u"#, named: "hexadecimal"),
    Hostile(header: String(repeating: "{\"a\":", count: 100_000), named: "unknown field"),
  ]

  static let numbers: [Hostile] = [
    .tensors("a [-2] [0,8]", named: "integer ≥ 0"), .tensors("a [2] [-8,0]", named: "integer ≥ 0"),
    .tensors("a [02] [0,8]", named: "integer ≥ 0"), .tensors("a [true] [0,8]", named: "integer ≥ 0"),
    .tensors("a [2,] [0,8]", named: "integer ≥ 0"), .tensors("a [2.0] [0,8]", named: "needs ]"),
    .tensors("a [2e0] [0,8]", named: "needs ]"), .tensors("a [99999999999999999999] [0,8]", named: "too large"),
    .tensors("a [9223372036854775808] [0,8]", named: "too large"),
    .tensors("a [2] [0,18446744073709551624]", named: "too large"),
  ]

  static let layouts: [Hostile] = [
    .tensors("a [1] [0,4]", "a [1] [4,8]", named: "\"a\" twice"),
    .tensors("a [1] [0,4]", #"\u0061 [1] [4,8]"#, named: "\"a\" twice"),
    .tensors("a [1] [0,8]", named: "needs 4 bytes"), .tensors("a [3] [0,8]", named: "needs 12 bytes"),
    .tensors("a [2] [8,0]", named: "begin and an end"), .tensors("a [2] [0,8,8]", named: "begin and an end"),
    .tensors("a [2] [0]", named: "begin and an end"), .tensors("a [] []", named: "begin and an end"),
    .tensors("a [2] [8,16]", named: "hole"), .tensors("a [1] [4,8]", named: "hole"),
    .tensors("a [1] [0,4]", "b [1] [5,9]", named: "\"b\": leaves a hole"),
    .tensors("a [2] [0,8]", "b [1] [4,8]", named: "\"b\": overlaps"),
    .tensors("a [2] [0,8]", "b [2] [0,8]", named: "overlaps"),
    .tensors("a [2] [0,8]", "b [0] [4,4]", named: "\"b\": overlaps"),
    .tensors("a [1] [0,4]", named: "describes 4"), .tensors("a [4] [0,16]", named: "describes 16"),
    .tensors("a [1000000000000] [0,4000000000000]", named: "describes 4000000000000"),
    .tensors("a [4611686018427387904] [0,8]", named: "large shape"),
    .tensors("a [4294967296,4294967296] [0,8]", named: "large shape"),
    .tensors("a [0,4611686018427387904,8] [0,0]", named: "describes 0"),
    .tensors("a [2] [9223372036854775800,9223372036854775807]", named: "needs 8 bytes by its shape and has 7"),
  ]

  static let fields: [Hostile] = [
    Hostile(header: #"{"a":{"dtype":"F32","shape":[2]}}"#, named: "lacks one"),
    Hostile(header: #"{"a":{"dtype":"F32","shape":[2],"shape":[2]}}"#, named: "\"shape\" twice"),
    Hostile(header: #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":[]}}"#, named: "unknown field \"x\""),
    Hostile(header: #"{"a":{"dtype":"F8_E5M2","shape":[8],"data_offsets":[0,8]}}"#, named: "\"F8_E5M2\""),
    Hostile(header: #"{"a":{"dtype":["F32"],"shape":[2],"data_offsets":[0,8]}}"#, named: "needs \""),
    .metadata(#"{"k":1}"#, named: "needs \""), .metadata(#"{"k":{"deep":"1"}}"#, named: "needs \""),
    .metadata(#"{"k":"1","k":"2"}"#, named: "\"k\" twice"), .metadata(#"{},"__metadata__":{}"#, named: "twice"),
    .metadata(#"{"checksum":"00000000"}"#, named: "checksum"),
    .metadata(#"{"checksum_scheme":"x"}"#, named: "checksum"),
    .metadata(#"{"checksum":"0","checksum_scheme":"crc32-file-1"}"#, named: "not as fgn-dist writes it"),
    .metadata(#"{"checksum":"","checksum_scheme":"crc32-file-1"}"#, named: "not as fgn-dist writes it"),
    .metadata(#"{"checksum":"\u00300000000","checksum_scheme":"crc32-file-1"}"#, named: "not as fgn-dist writes it"),
    .metadata(#"{"checksum_scheme":"crc32-file-1","checksum":"00000000"}"#, named: "not as fgn-dist writes it"),
    .metadata(#"{"checksum":"00000000","checksum_scheme":"crc32-file-1"}"#, named: "do not match"),
  ]
}

@Suite struct SafetensorsHeaderTests {
  let folder = TemporaryFolder()

  @Test(arguments: Hostile.syntax + Hostile.numbers + Hostile.layouts + Hostile.fields)
  private func `A hostile header is refused`(_ hostile: Hostile) throws {
    let bytes = fileBytes(Array(hostile.header.utf8), dataCount: hostile.dataCount)
    let line = try #require(try folder.failureToLoad(bytes))
    #expect(line.contains(hostile.named))
    #expect(!line.contains("\n"))
    #expect(line.count < 500)
  }

  @Test func `Names that are not UTF 8 are refused`() throws {
    for broken: [UInt8] in [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xE2, 0x82]] {
      let rest = #"":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#
      let header = Array("{\"".utf8) + broken + Array(rest.utf8)
      #expect(try folder.failureToLoad(fileBytes(header, dataCount: 8))?.contains("UTF-8") == true)
    }
  }

  @Test func `An impossible header length is refused before any memory is taken`() throws {
    for length: UInt64 in [9, 100_000_001, 1 << 62, 1 << 63, .max, .max - 7] {
      let bytes = littleEndian(length) + Array("{}      ".utf8)
      #expect(try folder.failureToLoad(bytes)?.contains("header: its length") == true)
    }
  }

  @Test func `An order that differs from the data is sorted`() throws {
    let tensors = ["b [1] [4,8]", "z [0] [4,4]", "a [1] [0,4]"].map(tensor).joined(separator: " ,\n ")
    try folder.write("a", fileBytes(Array("{ \(tensors) }\n\t".utf8), dataCount: 8))
    #expect(try Safetensors.load(path: folder.path("a")).tensors.map(\.name) == ["a", "z", "b"])
  }

  @Test func `Escapes in names are understood`() throws {
    let header = "{" + tensor(#"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00 [2] [0,8]"#) + "}"
    try folder.write("a", fileBytes(Array(header.utf8), dataCount: 8))
    #expect(try Safetensors.load(path: folder.path("a")).contains("\"\\/\u{8}\u{c}\n\r\té😀"))
  }
}

/// The member of a header for a float32 tensor, given as "name shape offsets".
private func tensor(_ text: String) -> String {
  let parts = text.split(separator: " ")
  return #""\#(parts[0])":{"dtype":"F32","shape":\#(parts[1]),"data_offsets":\#(parts[2])}"#
}

private func fileBytes(_ header: [UInt8], dataCount: Int) -> [UInt8] {
  littleEndian(UInt64(header.count)) + header + [UInt8](repeating: 0, count: dataCount)
}

private func littleEndian(_ number: UInt64) -> [UInt8] {
  (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
}

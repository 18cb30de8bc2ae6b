import Foundation

@testable import Datasets

/// A directory that is removed with this object.
final class TemporaryDirectory {
  let path = FileManager.default.temporaryDirectory.appendingPathComponent("datasets-\(UUID().uuidString)").path

  init() throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ bytes: [UInt8], _ name: String = "file") -> String {
    let file = path + "/" + name
    let stream = fopen(file, "w")!
    precondition(fwrite(bytes, 1, bytes.count, stream) == bytes.count)
    fclose(stream)
    return file
  }

  func read(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: path + "/" + name)))
  }

  var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] }
}

/// The values of all rows, read one by one.
func values(of features: FeatureMatrix) -> [Double] {
  var values: [Double] = []
  features.forEachPiece(in: 0..<features.rows) { _, bytes in
    func load<Bits: FixedWidthInteger & BitwiseCopyable>(_: Bits.Type, _ convert: (Bits) -> Double) {
      for start in stride(from: 0, to: bytes.count, by: MemoryLayout<Bits>.size) {
        let bits = bytes.loadUnaligned(fromByteOffset: start, as: Bits.self)
        values.append(convert(features.isSwapped ? bits.byteSwapped : bits))
      }
    }
    switch features.element {
    case .uint8: load(UInt8.self) { Double($0) }
    case .int8: load(Int8.self) { Double($0) }
    case .uint16: load(UInt16.self) { Double($0) }
    case .int16: load(Int16.self) { Double($0) }
    case .uint32: load(UInt32.self) { Double($0) }
    case .int32: load(Int32.self) { Double($0) }
    case .uint64: load(UInt64.self) { Double($0) }
    case .int64: load(Int64.self) { Double($0) }
    case .float16: load(UInt16.self) { Double(Float16(bitPattern: $0)) }
    case .bfloat16: load(UInt16.self) { Double(Float(bitPattern: UInt32($0) << 16)) }
    case .float32: load(UInt32.self) { Double(Float(bitPattern: $0)) }
    case .float64: load(UInt64.self) { Double(bitPattern: $0) }
    }
  }
  return values
}

/// The error of a body that must throw one; its description must be one line that starts with the file's path.
func dataError(_ body: () throws -> Void) -> DataError? {
  do {
    try body()
    return nil
  } catch {
    guard let error = error as? DataError, !error.description.contains("\n"), !error.path.isEmpty,
      error.description.hasPrefix(error.path + ": ")
    else { return nil }
    return error
  }
}

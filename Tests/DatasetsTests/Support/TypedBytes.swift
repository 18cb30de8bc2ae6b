@testable import Datasets

/// Numbers in the form that files have.
enum TypedBytes {
  /// The bytes of numbers as values of a type that represents all of them.
  static func bytes(_ numbers: [Double], _ element: FeatureMatrix.Element, isSwapped: Bool = false) -> [UInt8] {
    func bytes<Bits: FixedWidthInteger>(_ convert: (Double) -> Bits) -> [UInt8] {
      numbers.flatMap { number in
        let bits = convert(number)
        return withUnsafeBytes(of: isSwapped ? bits.byteSwapped : bits) { Array($0) }
      }
    }
    return switch element {
    case .uint8: bytes { UInt8($0) }
    case .int8: bytes { Int8($0) }
    case .uint16: bytes { UInt16($0) }
    case .int16: bytes { Int16($0) }
    case .uint32: bytes { UInt32($0) }
    case .int32: bytes { Int32($0) }
    case .uint64: bytes { UInt64($0) }
    case .int64: bytes { Int64($0) }
    case .float16: bytes { Float16($0).bitPattern }
    case .bfloat16: bytes { UInt16(Float($0).bitPattern >> 16) }
    case .float32: bytes { Float($0).bitPattern }
    case .float64: bytes { $0.bitPattern }
    }
  }
}

/// The type of an array's values in a file.
enum ValueType: Equatable {
  case bool, uint8, int8, uint16, int16, uint32, int32, uint64, int64, float16, bfloat16, float32, float64
  /// Texts of at most this many characters, 4 bytes each, padded with zeros.
  case unicode(Int)
  /// Texts of at most this many bytes, padded with zeros.
  case bytes(Int)

  /// Bytes of a value.
  var size: Int {
    switch self {
    case .unicode(let count): 4 * count
    case .bytes(let count): count
    default: element!.size
    }
  }

  /// The type that numbers are kept in; nil for texts.
  var element: FeatureMatrix.Element? {
    switch self {
    case .bool, .uint8: .uint8
    case .int8: .int8
    case .uint16: .uint16
    case .int16: .int16
    case .uint32: .uint32
    case .int32: .int32
    case .uint64: .uint64
    case .int64: .int64
    case .float16: .float16
    case .bfloat16: .bfloat16
    case .float32: .float32
    case .float64: .float64
    case .unicode, .bytes: nil
    }
  }

  var isText: Bool { element == nil }

  /// Whether values have several bytes, whose order matters.
  var hasByteOrder: Bool {
    switch self {
    case .unicode: true
    case .bytes: false
    default: size > 1
    }
  }
}

extension ValueType: CustomStringConvertible {
  var description: String {
    switch self {
    case .bool: "bool"
    case .unicode: "text"
    case .bytes: "text in bytes"
    default: element!.rawValue
    }
  }
}

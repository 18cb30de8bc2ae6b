internal import CKernels

extension FeatureMatrix {
  /// The type of the values, in the file or in memory. Truth values are bytes of 0 and 1.
  package enum Element: String, Codable, CaseIterable, Sendable {
    case uint8, float32, float64
    case int8, int16, uint16, int32, uint32, int64, uint64, float16, bfloat16

    package var size: Int {
      switch self {
      case .uint8, .int8: 1
      case .int16, .uint16, .float16, .bfloat16: 2
      case .float32, .int32, .uint32: 4
      case .float64, .int64, .uint64: 8
      }
    }

    /// The bit mask of the exponent: a value with all these bits set is not finite. nil for integers.
    var fullExponent: UInt64? {
      switch self {
      case .float16: 0x7c00
      case .bfloat16: 0x7f80
      case .float32: 0x7f80_0000
      case .float64: 0x7ff0_0000_0000_0000
      default: nil
      }
    }
  }
}

extension FeatureMatrix.Element {
  /// Converts values, given their address, their number, whether they are byte-swapped, and the target.
  typealias ToFloats = @convention(c) (UnsafeRawPointer?, Int, Int32, UnsafeMutablePointer<Float>?) -> Void
  typealias ToDoubles = @convention(c) (UnsafeRawPointer?, Int, Int32, UnsafeMutablePointer<Double>?) -> Void

  /// The conversion to Float; nil for a type with values that Float cannot represent.
  var toFloats: ToFloats? {
    switch self {
    case .uint8: fgn_widen_uint8_f32
    case .int8: fgn_widen_int8_f32
    case .uint16: fgn_widen_uint16_f32
    case .int16: fgn_widen_int16_f32
    case .float16: fgn_widen_float16_f32
    case .bfloat16: fgn_widen_bfloat16_f32
    case .float32: fgn_widen_float32_f32
    case .int32, .uint32, .int64, .uint64, .float64: nil
    }
  }

  /// The conversion to Double; integers beyond ±2^53 are rounded.
  var toDoubles: ToDoubles {
    switch self {
    case .uint8: fgn_widen_uint8_f64
    case .int8: fgn_widen_int8_f64
    case .uint16: fgn_widen_uint16_f64
    case .int16: fgn_widen_int16_f64
    case .uint32: fgn_widen_uint32_f64
    case .int32: fgn_widen_int32_f64
    case .uint64: fgn_widen_uint64_f64
    case .int64: fgn_widen_int64_f64
    case .float16: fgn_widen_float16_f64
    case .bfloat16: fgn_widen_bfloat16_f64
    case .float32: fgn_widen_float32_f64
    case .float64: fgn_widen_float64_f64
    }
  }
}

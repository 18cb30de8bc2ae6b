internal import CMPI

/// A number type that MPI can reduce.
public protocol MPIDatatype: Numeric, Comparable, BitwiseCopyable, Sendable {
  static var datatype: Datatype { get }
}

extension Float: MPIDatatype { public static var datatype: Datatype { .float } }
extension Double: MPIDatatype { public static var datatype: Datatype { .double } }
extension Int32: MPIDatatype { public static var datatype: Datatype { .int32 } }
extension Int64: MPIDatatype { public static var datatype: Datatype { .int64 } }
extension Int: MPIDatatype { public static var datatype: Datatype { .int64 } }
extension UInt8: MPIDatatype { public static var datatype: Datatype { .uint8 } }
extension UInt64: MPIDatatype { public static var datatype: Datatype { .uint64 } }

/// The names of MPI's number types.
public enum Datatype: Sendable {
  case float, double, int32, int64, uint8, uint64

  /// The MPI type to use for `operation`.
  func handle(for operation: Reduction) -> fgn_type {
    switch self {
    case .float: fgn_float
    case .double: fgn_double
    case .int32: fgn_int32
    case .int64: fgn_int64
    case .uint8: isBiased(for: operation) ? fgn_int8 : fgn_uint8
    case .uint64: isBiased(for: operation) ? fgn_int64 : fgn_uint64
    }
  }

  /// Whether elements pass through MPI as signed numbers, lowered by half their range, which keeps their order: MPICH
  /// 4.0 compares unsigned numbers as if they were signed (pmodels/mpich, issue 6083).
  func isBiased(for operation: Reduction) -> Bool {
    (self == .uint8 || self == .uint64) && operation != .sum
  }

  /// Swaps the lower and the upper half of the range of unsigned elements; a second call restores them.
  func exchangeHalves(_ base: UnsafeMutableRawPointer, count: Int) {
    let bytes = UnsafeMutableRawBufferPointer(start: base, count: count * stride)
    // The sign bit is in the last byte of a little-endian number.
    let last = 1.littleEndian == 1 ? stride - 1 : 0
    for index in Swift.stride(from: last, to: bytes.count, by: stride) { bytes[index] ^= 0x80 }
  }

  /// Bytes per element.
  var stride: Int {
    switch self {
    case .uint8: 1
    case .float, .int32: 4
    case .double, .int64, .uint64: 8
    }
  }
}

/// The way an allreduce combines the elements of all ranks. The result of `min` and `max` for a NaN depends on the MPI
/// library.
public enum Reduction: Sendable {
  case sum, min, max

  var handle: fgn_op {
    switch self {
    case .sum: fgn_sum
    case .min: fgn_min
    case .max: fgn_max
    }
  }
}

import LinearAlgebra
import Testing

@testable import Datasets

@Suite struct GatherTests {
  static let rows = 11
  static let columns = 37
  /// Small whole numbers, which each type represents exactly.
  static let numbers = (0..<rows * columns).map { Double(($0 * 7919) % 127) }

  /// `numbers` as values of a type, in the processor's byte order or the other one, aligned or not.
  static func matrix(
    _ element: FeatureMatrix.Element, isSwapped: Bool = false, shift: Int = 0
  ) -> FeatureMatrix {
    let bytes = TypedBytes.bytes(numbers, element, isSwapped: isSwapped)
    let buffer = AlignedBuffer(byteCount: bytes.count + shift)!
    UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[shift...]).copyBytes(from: bytes)
    return FeatureMatrix(
      rows: rows, shape: [columns], element: element, isSwapped: isSwapped,
      base: UnsafeRawPointer(buffer.bytes.baseAddress! + shift), owner: buffer)
  }

  func check<Scalar: BLASScalar>(_: Scalar.Type, _ features: FeatureMatrix, _ kind: Normalization.Kind) {
    let normalization = Normalization(kind, features.statistics(in: 0..<Self.rows))
    func expected(_ row: Int, _ column: Int) -> Double {
      let value = Self.numbers[row * Self.columns + column]
      return switch kind {
      case .none: value
      case .scale: value * normalization.scales[0]
      case .standardize: (value - normalization.offsets[column]) * normalization.scales[column]
      case .unitVariance: value * normalization.scales[column]
      }
    }
    func check(_ rows: [Int], _ target: Matrix<Scalar>) {
      for (index, row) in rows.enumerated() {
        for column in 0..<Self.columns {
          let difference = abs(Double(target[index, column]) - expected(row, column))
          #expect(difference <= 4 * Double(Scalar.ulpOfOne) * max(1, abs(expected(row, column))))
        }
      }
    }
    let order = [10, 0, 3, 3, 7]
    let target = Matrix<Scalar>(zeros: order.count, Self.columns)
    features.gather(rows: order, into: target, normalization: normalization)
    check(order, target)
    features.gather(rows: order[...], into: target, normalization: normalization)
    check(order, target)
    target.elements.fill(0)
    // A collection without contiguous storage.
    features.gather(rows: order.lazy.map { $0 }, into: target, normalization: normalization)
    check(order, target)
    features.gather(rows: 4..<9, into: target, normalization: normalization)
    check(Array(4..<9), target)
    features.gather(rows: 4..<4, into: target[rows: 0..<0], normalization: normalization)
  }

  @Test(arguments: FeatureMatrix.Element.allCases, Normalization.Kind.allCases)
  func `Rows of every type are normalised`(_ element: FeatureMatrix.Element, _ kind: Normalization.Kind) {
    for (isSwapped, shift) in [(false, 0), (true, 0), (false, 1), (true, 3)] {
      let features = Self.matrix(element, isSwapped: isSwapped, shift: shift)
      #expect(values(of: features) == Self.numbers)
      check(Float.self, features, kind)
      check(Double.self, features, kind)
    }
  }

  /// A type gives the bits of a wider one that represents all its values: in single precision Float for short types,
  /// otherwise Double.
  @Test(arguments: FeatureMatrix.Element.allCases, Normalization.Kind.allCases)
  func `Every type gives the bits of the wider one`(_ element: FeatureMatrix.Element, _ kind: Normalization.Kind) {
    let isShort = element.size < 4 || element == .float32
    let wide = Self.matrix(isShort ? .float32 : .float64)
    for (isSwapped, shift) in [(false, 0), (true, 0), (false, 1), (true, 3)] {
      let features = Self.matrix(element, isSwapped: isSwapped, shift: shift)
      #expect(features.statistics(in: 1..<9) == wide.statistics(in: 1..<9))
      let normalization = Normalization(kind, wide.statistics(in: 0..<Self.rows))
      func bits<Scalar: BLASScalar>(_ features: FeatureMatrix, _: Scalar.Type) -> [Scalar] {
        let target = Matrix<Scalar>(zeros: 4, Self.columns)
        features.gather(rows: [7, 0, 10, 7], into: target, normalization: normalization)
        return target.elements.array
      }
      #expect(bits(features, Float.self) == bits(wide, Float.self))
      #expect(bits(features, Double.self) == bits(wide, Double.self))
    }
  }

  /// All 65536 values of each type, against the compiler's conversion.
  @Test(arguments: [FeatureMatrix.Element.float16, .bfloat16]) func `Every half is the number it stands for`(
    _ element: FeatureMatrix.Element
  ) {
    let patterns = (0...UInt16.max).map { $0 }
    let features = FeatureMatrix(copying: patterns, [1 << 16], element)
    let floats = Matrix<Float>(zeros: 1, 1 << 16), doubles = Matrix<Double>(zeros: 1, 1 << 16)
    features.gather(rows: 0..<1, into: floats, normalization: .none)
    features.gather(rows: 0..<1, into: doubles, normalization: .none)
    let agree = patterns.allSatisfy { bits in
      let number = element == .float16 ? Float(Float16(bitPattern: bits)) : Float(bitPattern: UInt32(bits) << 16)
      let (float, double) = (floats[0, Int(bits)], doubles[0, Int(bits)])
      return number.isNaN
        ? float.isNaN && double.isNaN : float.bitPattern == number.bitPattern && double == Double(number)
    }
    #expect(agree)
    let bad = patterns.firstIndex { element == .float16 ? !Float16(bitPattern: $0).isFinite : $0 & 0x7f80 == 0x7f80 }
    #expect(features.firstNonFinite(in: 0..<1)?.column == bad)
    let infinity: UInt16 = element == .float16 ? 0x7c00 : 0x7f80
    let native = FeatureMatrix(copying: [0x007c, infinity].map { $0.byteSwapped }, [2], element)
    let swapped = FeatureMatrix(
      rows: 1, shape: [2], element: element, isSwapped: true, pieces: native.pieces)
    #expect(swapped.firstNonFinite(in: 0..<1).map { $0.column } == 1)
  }

  @Test func `The largest integers are rounded as doubles are`() {
    let integers: [Int64] = [.max, .min, 1 << 53 + 1, -(1 << 53) - 1, 1 << 24 + 1]
    let target = Matrix<Double>(zeros: 1, 5), single = Matrix<Float>(zeros: 1, 5)
    let features = FeatureMatrix(copying: integers, [5], .int64)
    features.gather(rows: 0..<1, into: target, normalization: .none)
    features.gather(rows: 0..<1, into: single, normalization: .none)
    #expect(target.elements.array == integers.map { Double($0) })
    #expect(single.elements.array == integers.map { Float(Double($0)) })
    let unsigned = FeatureMatrix(copying: integers.map { UInt64(bitPattern: $0) }, [5], .uint64)
    unsigned.gather(rows: 0..<1, into: target, normalization: .none)
    #expect(target.elements.array == integers.map { Double(UInt64(bitPattern: $0)) })
  }

  @Test func `Doubles far from zero keep their digits in single precision`() {
    let features = FeatureMatrix((0..<8).map { 1e9 + Double($0) }, shape: [1])
    let normalization = Normalization(.standardize, features.statistics(in: 0..<8))
    let target = Matrix<Float>(zeros: 8, 1)
    features.gather(rows: 0..<8, into: target, normalization: normalization)
    for row in 0..<8 { #expect(abs(Double(target[row, 0]) - (Double(row) - 3.5) / 5.25.squareRoot()) < 1e-6) }
  }
}

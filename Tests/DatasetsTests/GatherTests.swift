import LinearAlgebra
import Testing

@testable import Datasets

@Suite struct GatherTests {
  static let rows = 11
  static let columns = 37
  /// Small whole numbers, so that each type holds them exactly.
  static let numbers = (0..<rows * columns).map { Double(($0 * 7919) % 251) }

  static func matrix(_ element: FeatureMatrix.Element) -> FeatureMatrix {
    switch element {
    case .uint8: FeatureMatrix(numbers.map { UInt8($0) }, shape: [columns])
    case .float32: FeatureMatrix(numbers.map { Float($0) }, shape: [columns])
    case .float64: FeatureMatrix(numbers, shape: [columns])
    }
  }

  func check<Scalar: BLASScalar>(_: Scalar.Type, _ element: FeatureMatrix.Element, _ kind: Normalization.Kind) {
    let features = Self.matrix(element)
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

  @Test(arguments: [FeatureMatrix.Element.uint8, .float32, .float64], Normalization.Kind.allCases)
  func rowsOfEveryTypeAreNormalised(_ element: FeatureMatrix.Element, _ kind: Normalization.Kind) {
    check(Float.self, element, kind)
    check(Double.self, element, kind)
  }

  @Test func doublesFarFromZeroKeepTheirDigitsInSinglePrecision() {
    let features = FeatureMatrix((0..<8).map { 1e9 + Double($0) }, shape: [1])
    let normalization = Normalization(.standardize, features.statistics(in: 0..<8))
    let target = Matrix<Float>(zeros: 8, 1)
    features.gather(rows: 0..<8, into: target, normalization: normalization)
    for row in 0..<8 { #expect(abs(Double(target[row, 0]) - (Double(row) - 3.5) / 5.25.squareRoot()) < 1e-6) }
  }
}

import LinearAlgebra
import TestSupport
import Testing

@testable import Datasets

@Suite struct PrefetchTests {
  @Test func `Advice about any rows, mapped or not, leaves values as they are`() throws {
    let directory = try TemporaryDirectory()
    let values: [Float] = (0..<15_000).map { Float($0) }
    try NPY.write(Matrix(Vector(values), 5000, 3), to: directory.path + "/x.npy")
    let mapped = try FeatureMatrix(path: directory.path + "/x.npy")
    let copied = FeatureMatrix(values, shape: [3])
    #expect(mapped.isMapped && !copied.isMapped)
    let joined = FeatureMatrix(joining: [mapped[rows: 0..<7], copied[rows: 7..<9], mapped[rows: 9..<5000]])
    for features in [mapped, copied, joined] {
      features.expectRandomAccess()
      for rows in [[], [4999], [0, 1, 2, 9, 8, 7, 4999], Array(0..<5000)] {
        features.prefetch(rows)
        let target = Matrix<Float>(zeros: rows.count, 3)
        features.gather(rows: rows, into: target, normalization: .none)
        #expect(target.elements.array == rows.flatMap { values[3 * $0..<3 * $0 + 3] })
      }
    }
  }
}

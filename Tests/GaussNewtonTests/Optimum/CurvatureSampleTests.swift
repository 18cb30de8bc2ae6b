import LinearAlgebra
import Testing

@testable import GaussNewton

@Suite struct CurvatureSampleTests {
  /// Rows × C, most of them small.
  private let curvatures = (0..<500).map { (i: Int) -> [Double] in
    (0..<3).map { (c: Int) -> Double in
      let isLarge = (i * 7 + c * 5) % 11 == 0
      return isLarge ? 0.2 + Double(i % 3) / 10 : 1e-4 * Double((i + c) % 5)
    }
  }

  /// Σ_i of what each row counts in the mean over all rows, as a sum over all rows; of each class.
  private func counted(perClass: Int, chunk: Int, classes: Range<Int>) -> [[Int: Double]] {
    let sample = CurvatureSample<Double>(classes: classes, rowCount: curvatures.count, perClass: perClass)
    let chunks = stride(from: 0, to: curvatures.count, by: chunk).map { (start: Int) -> (Int, Matrix<Double>) in
      let rows = curvatures[start..<min(start + chunk, curvatures.count)]
      return (start, Matrix(Vector(rows.flatMap { $0 }), rows.count, 3))
    }
    if !sample.takesAll { for (_, rows) in chunks { sample.add(rows) } }
    var result: [[Int: Double]] = Array(repeating: [:], count: classes.count)
    for (start, rows) in chunks {
      for (index, taken) in sample.take(rows).enumerated() {
        for (row, factor) in zip(taken.numbers, taken.factors) {
          result[index][start + row] = factor * factor * Double(curvatures.count)
        }
      }
    }
    return result
  }

  @Test(arguments: [20, 100], [64, 500])
  func `A class has its curvature in as many rows as it may, and each row at most a rung too much`(
    perClass: Int, chunk: Int
  ) {
    for (c, rows) in counted(perClass: perClass, chunk: chunk, classes: 0..<3).enumerated() {
      let total = curvatures.reduce(0) { $0 + $1[c] }
      let rung = total / Double(perClass)
      #expect(rows.count <= perClass)
      #expect(abs(rows.values.reduce(0, +) / total - 1) < 1e-12)
      for (row, weight) in rows { #expect(abs(weight - curvatures[row][c]) <= rung * (1 + 1e-9)) }
      // Rows of several rungs are there in any case.
      for (row, values) in curvatures.enumerated() where values[c] > rung { #expect(rows[row] != nil) }
    }
  }

  @Test func `Neither chunks nor the classes of other ranks change what a class takes`() {
    let all = counted(perClass: 50, chunk: 500, classes: 0..<3)
    #expect(counted(perClass: 50, chunk: 33, classes: 0..<3) == all)
    #expect(counted(perClass: 50, chunk: 64, classes: 1..<2) == [all[1]])
  }

  @Test func `Few rows are taken as they are`() {
    for (c, rows) in counted(perClass: 500, chunk: 90, classes: 0..<3).enumerated() {
      for (row, values) in curvatures.enumerated() { #expect(abs((rows[row] ?? 0) - values[c]) < 1e-12) }
    }
  }

  @Test func `A class without curvature has no rows`() {
    let sample = CurvatureSample<Float>(classes: 0..<2, rowCount: 4, perClass: 2)
    let rows = Matrix<Float>(Vector([0, 1, 0, 1, 0, 1, 0, 1]), 4, 2)
    sample.add(rows)
    #expect(sample.take(rows).map(\.numbers) == [[], [1, 3]])
  }
}

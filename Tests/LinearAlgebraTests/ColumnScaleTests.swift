import LinearAlgebra
import TestSupport
import Testing

@Suite struct ColumnScaleTests {
  func check<Scalar: BLASScalar>(_: Scalar.Type, _ rows: Int, _ columns: Int) {
    var samples = Samples(seed: UInt64(rows + 100 * columns))
    let a: Matrix<Scalar> = samples.matrix(rows, columns)
    let (rowFactors, columnFactors): (Vector<Scalar>, Vector<Scalar>) = (samples.vector(rows), samples.vector(columns))

    let scaled = Matrix(Vector([Scalar](repeating: .nan, count: rows * columns)), rows, columns)
    scaled.assignColumns(of: a, scaledBy: columnFactors)
    for i in 0..<rows { for j in 0..<columns { #expect(scaled[i, j] == a[i, j] * columnFactors[j]) } }

    let both = Matrix(Vector(a.elements.array), rows, columns)
    both.scale(rows: rowFactors, columns: columnFactors)
    for i in 0..<rows { for j in 0..<columns { #expect(both[i, j] == a[i, j] * columnFactors[j] * rowFactors[i]) } }

    func sums(threads: Int) -> [Scalar] {
      withThreads(threads) {
        let sums = Vector<Scalar>([Scalar](repeating: .nan, count: columns))
        sums.assignColumnSquareSums(a, scaledBy: rowFactors)
        return sums.array
      }
    }
    let found = sums(threads: 1)
    for j in 0..<columns {
      let terms = (0..<rows).map { Double(rowFactors[$0]) * Double(a[$0, j]) * Double(a[$0, j]) }
      let bound = Double(Scalar.ulpOfOne) * Double(rows + 2) * terms.reduce(0) { $0 + abs($1) }
      #expect(abs(Double(found[j]) - terms.reduce(0, +)) <= bound)
    }
    #expect(sums(threads: 2) == found)

    // A matrix may scale itself.
    a.assignColumns(of: a, scaledBy: columnFactors)
    #expect(a.elements.array == scaled.elements.array)
  }

  @Test(arguments: [0, 1, 5, 70, 200], [1, 3, 17, 2300])
  func `Columns take factors, and their squares are summed with factors of the rows`(rows: Int, columns: Int) {
    check(Float.self, rows, columns)
    check(Double.self, rows, columns)
  }
}

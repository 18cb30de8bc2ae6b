import LinearAlgebra
import TestSupport
import Testing

/// The operands of a kernel that may share memory with its result, or with each other.
@Suite struct InPlaceTests {
  /// Slices of `count` numbers, each in separate storage and at a different offset.
  func slices<Scalar: BLASScalar>(_: Scalar.Type, _ count: Int, _ offset: Int) -> [Vector<Scalar>] {
    var samples = Samples(seed: UInt64(count + offset))
    return (0..<3).map { index in
      let start = (offset + index) % 5
      return (samples.vector(count + 5) as Vector<Scalar>)[start..<start + count]
    }
  }

  func checkProduct<Scalar: BLASScalar>(_: Scalar.Type, _ count: Int, _ offset: Int) {
    let operands = slices(Scalar.self, count, offset)
    let (x, y, z) = (operands[0], operands[1], operands[2])
    let expected = zip(x.array, y.array).map(*)
    z.assignProduct(x, by: y)
    #expect(z.array == expected)
    x.assignProduct(x, by: y)
    #expect(x.array == expected)
    // Both factors may be the same vector.
    z.assignProduct(y, by: y)
    #expect(z.array == y.array.map { $0 * $0 })
  }

  func checkAffine<Scalar: BLASScalar>(_: Scalar.Type, _ columns: Int, _ offset: Int) {
    var samples = Samples(seed: UInt64(columns))
    let rows = 3
    let storage: Vector<Scalar> = samples.vector(rows * columns + 5)
    let x = Matrix(storage[offset..<offset + rows * columns], rows, columns)
    let (weight, bias): (Vector<Scalar>, Vector<Scalar>) = (samples.vector(columns), samples.vector(columns))
    let before = storage.array
    let y = Matrix<Scalar>(zeros: rows, columns)
    y.assignAffine(x, weight: weight, bias: bias)
    x.assignAffine(x, weight: weight, bias: bias)
    #expect(x.elements.array == y.elements.array)
    // Numbers before and behind the rows do not change.
    #expect(storage.array.prefix(offset) == before.prefix(offset))
    #expect(storage.array.suffix(5 - offset) == before.suffix(5 - offset))
  }

  func checkSharedReading<Scalar: BLASScalar>(_: Scalar.Type, _ count: Int, _ offset: Int) {
    let operands = slices(Scalar.self, count, offset)
    let (x, y) = (operands[0], operands[1])
    let (found, expected) = (y.copy(), y.copy())
    #expect(found.subtract(0.5, x, 0.25, x) == expected.subtract(0.5, x, 0.25, x.copy()))
    #expect(found.array == expected.array)
    found.assign(0.5, x, 0.25, x)
    expected.assign(0.5, x, 0.25, x.copy())
    #expect(found.array == expected.array)
  }

  @Test(arguments: [0, 1, 3, 7, 15, 17, 31, 33, 63, 65, 127, 129, 1001, 70_001])
  func `A kernel in place gives the bits of one into other memory, at any length and offset`(count: Int) {
    for offset in 0..<5 {
      checkProduct(Float.self, count, offset)
      checkProduct(Double.self, count, offset)
      checkSharedReading(Float.self, count, offset)
      checkSharedReading(Double.self, count, offset)
      if count == 0 { continue }
      checkAffine(Float.self, count, offset)
      checkAffine(Double.self, count, offset)
    }
  }

  #if DEBUG
    @Test func `A debug build refuses operands that kernels may not find in the memory they write`() async {
      await #expect(processExitsWith: .failure) {
        let x = Vector<Float>([1, 2, 3])
        x.assignProduct(Vector([4, 5, 6]), by: x)
      }
      await #expect(processExitsWith: .failure) {
        let x = Vector<Float>([1, 2, 3, 4])
        x[0..<3].assignProduct(x[1..<4], by: Vector([4, 5, 6]))
      }
      await #expect(processExitsWith: .failure) {
        let x = Vector<Double>([1, 2, 3, 4])
        x[0..<2].combine(1, x[1..<3])
      }
      await #expect(processExitsWith: .success) {
        let x = Vector<Double>([1, 2, 3, 4])
        x[0..<2].combine(1, x[2..<4])
        x[0..<2].assignProduct(x[0..<2], by: x[2..<4])
      }
    }
  #endif
}

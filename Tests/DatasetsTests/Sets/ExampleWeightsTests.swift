import Testing

@testable import Datasets

@Suite struct ExampleWeightsTests {
  let directory = try! TemporaryDirectory()
  let labels: [Int32] = [0, 2, 2, 0, 2, 2]

  func weights(_ own: [Double]?, _ classes: ClassWeights?) -> [Double]? {
    ExampleWeights(own, classes, labels: labels, classCount: 4)?.values
  }

  func read(_ bytes: [UInt8], count: Int = 3) throws -> [Double] {
    try ExampleWeights.read(FileList(directory.write(bytes)), for: count, of: "x.npy")
  }

  @Test func `Balanced classes weigh the same in all`() throws {
    let balanced = try #require(weights(nil, .balanced))
    #expect(balanced == [1.5, 0.75, 0.75, 1.5, 0.75, 0.75])
    // A class without examples has no influence.
    #expect(ClassWeights.balanced.values(for: labels, classCount: 4) == [0.75, 0, 0.375, 0])
  }

  @Test func `Both kinds multiply and have a mean of 1`() throws {
    let both = try #require(weights([1, 2, 3, 4, 5, 0], .given([3, 9, 1, 9])))
    let products = [3.0, 2, 3, 12, 5, 0]
    for (weight, product) in zip(both, products) { #expect(abs(weight - product * 6 / 25) < 1e-15) }
    #expect(weights([2, 2, 2, 2, 2, 2], .given([7, 1, 7, 0])) == [1, 1, 1, 1, 1, 1])
    #expect(weights([0, 1, 1, 0, 1, 1], .given([1, 1, 0, 1])) == nil)
    #expect(weights(nil, .given([0, 1, 0, 1])) == nil)
  }

  @Test func `No size overflows`() throws {
    let huge = try #require(weights([1e308, 1e308, 1e308, 1e308, 0, 0], .given([1e308, 0, 1e308, 0])))
    #expect(huge == [1.5, 1.5, 1.5, 1.5, 0, 0])
    let tiny = try #require(weights([1e-308, 1e-308, 1e-308, 1e-308, 0, 0], .given([1e-300, 0, 1e-300, 0])))
    #expect(tiny == [1.5, 1.5, 1.5, 1.5, 0, 0])
  }

  @Test func `Arrays of numbers of all types are read`() throws {
    for bytes in [
      Fixtures.labelsU1, Fixtures.labelsI1, Fixtures.labelsI2, Fixtures.labelsI4, Fixtures.labelsI8,
      Fixtures.floatLabels, Fixtures.columnLabels,
      Fixtures.numpy(
        1, "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }", padding: 60,
        "00000000000000400000000000000000000000000000f03f"),
      Fixtures.idx(0x08, [3], [2, 0, 1]), Fixtures.idx(0x09, [3], [2, 0, 1]),
      Fixtures.idx(0x0b, [3], [0, 2, 0, 0, 0, 1]), Fixtures.idx(0x0c, [3], [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1]),
      Fixtures.idx(0x0d, [3], [Float(2), 0, 1].flatMap { Fixtures.bigEndian($0.bitPattern) }),
      Fixtures.idx(0x0e, [3], [2.0, 0, 1].flatMap { Fixtures.bigEndian($0.bitPattern) }),
    ] {
      #expect(try read(bytes) == [2, 0, 1])
    }
    #expect(try read(Fixtures.booleanLabels) == [1, 0, 1])
  }

  @Test func `What is no weight is refused`() throws {
    func message(_ bytes: [UInt8], count: Int = 3) throws -> String {
      let error = #expect(throws: DataError.self) { try read(bytes, count: count) }
      #expect(error?.exitCode == 65)
      return error?.message ?? ""
    }
    func doubles(_ weights: [Double]) -> [UInt8] {
      Fixtures.idx(0x0e, [UInt32(weights.count)], weights.flatMap { Fixtures.bigEndian($0.bitPattern) })
    }
    #expect(try message(doubles([1, -1, -2])).contains("example 1 has weight -1.0"))
    #expect(try message(doubles([1, 0, .nan])).contains("example 2 has weight nan"))
    #expect(try message(doubles([.infinity, 0, -1])).contains("example 0 has weight inf"))
    #expect(try message(doubles([0, 0, -0.0])).contains("all weights are 0"))
    #expect(try message(doubles([1, 2])).contains("2 weights, and there are 3 examples in x.npy"))
    #expect(try message(Fixtures.oneHotLabels).contains("[3, 3]"))
    let texts = Fixtures.numpy(1, "{'descr': '|S1', 'fortran_order': False, 'shape': (3,), }", "313233")
    #expect(try message(texts).contains("array.astype(float)"))
    let missing = #expect(throws: DataError.self) { try ExampleWeights.read("none.npy", for: 3, of: "x.npy") }
    #expect(missing?.exitCode == 66)
  }
}

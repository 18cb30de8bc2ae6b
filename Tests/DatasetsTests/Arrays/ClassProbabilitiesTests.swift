import Foundation
import LinearAlgebra
import TestSupport
import Testing

@testable import Datasets

/// Labels that are probabilities of the classes.
@Suite struct ClassProbabilitiesTests {
  let directory = try! TemporaryDirectory()

  static let types: [(descriptor: String, element: FeatureMatrix.Element)] = [
    ("<f2", .float16), (">f2", .float16), ("<f4", .float32), (">f4", .float32), ("<f8", .float64), (">f8", .float64),
    ("<V2", .bfloat16),
  ]

  /// Eighths, which all types represent, so that rows sum to 1.
  static let rows: [[Double]] = [
    [0.25, 0.5, 0.25], [0.5, 0, 0.5], [0.125, 0.25, 0.625], [0, 0, 1], [0.375, 0.375, 0.25],
  ]

  /// An array of rows in NumPy's format.
  private func array(_ rows: [[Double]], _ descriptor: String = "<f8", fortran: Bool = false) -> [UInt8] {
    let element = Self.types.first { $0.descriptor == descriptor }!.element
    let (n, columns) = (rows.count, rows[0].count)
    let values = fortran ? (0..<columns).flatMap { c in rows.map { $0[c] } } : rows.flatMap { $0 }
    return Fixtures.numpy(
      1, "{'descr': '\(descriptor)', 'fortran_order': \(fortran ? "True" : "False"), 'shape': (\(n), \(columns)), }", ""
    )
      + TypedBytes.bytes(values, element, isSwapped: descriptor.hasPrefix(">"))
  }

  /// A set with one feature, the number of the row, and labels in files of these bytes.
  private func set(
    _ files: [[UInt8]], rows: [Int], classCount: Int? = nil, like other: Dataset? = nil,
    ignoring ignored: IgnoredLabel? = nil
  ) throws -> Dataset {
    let features = rows.enumerated().map { file, count in
      directory.write(
        Fixtures.numpy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (\(count), 1), }", "")
          + (0..<count).map { UInt8($0) }, "x\(file).npy")
    }
    let labels = files.enumerated().map { directory.write($1, "y\($0).npy") }
    return try Dataset(
      features: FileList(features), labels: FileList(labels), classCount: classCount, like: other, ignoring: ignored)
  }

  private func set(_ rows: [[Double]], _ descriptor: String = "<f8", fortran: Bool = false) throws -> Dataset {
    try set([array(rows, descriptor, fortran: fortran)], rows: [rows.count])
  }

  private func gathered<Scalar: BLASScalar>(_ set: Dataset, _ rows: [Int], _: Scalar.Type) throws -> [Double] {
    let target = Matrix<Scalar>(zeros: rows.count, set.classCount)
    try #require(set.probabilities).gather(rows: rows, into: target)
    return target.elements.array.map { Double($0) }
  }

  @Test(arguments: 0..<7, [false, true])
  func `Arrays of fractions are probabilities, of every type and order`(type: Int, fortran: Bool) throws {
    let set = try set(Self.rows, Self.types[type].descriptor, fortran: fortran)
    #expect(set.classCount == 3 && set.count == 5 && set.classes == nil)
    // The first of equals.
    #expect(set.labels == [1, 0, 2, 2, 0])
    let order = [4, 0, 0, 3]
    let expected = order.flatMap { Self.rows[$0] }
    #expect(try gathered(set, order, Float.self) == expected)
    #expect(try gathered(set, order, Double.self) == expected)
    // A file in row order stays where it is.
    #expect(set.probabilities?.values.isMapped == !fortran)
  }

  @Test func `Rows of nearly 1 are divided by their sums in Double`() throws {
    var samples = Samples(seed: 4)
    for columns in [2, 3, 7, 50] {
      let rows = (0..<40).map { _ in
        let weights = samples.normals(columns, 2).map { exp($0) }
        let total = weights.reduce(0, +) * (1 + 9e-7 * Double(samples.integer(below: 2001) - 1000))
        return weights.map { $0 / total }
      }
      for (descriptor, rounded) in [("<f8", rows), ("<f4", rows.map { $0.map { Double(Float($0)) } })] {
        let set = try set(rows, descriptor)
        let expected = rounded.flatMap { row in row.map { $0 / accurateSum(row) } }
        for (found, number) in zip(try gathered(set, Array(0..<40), Double.self), expected) {
          #expect(abs(found - number) <= 4 * number.ulp)
        }
        for (found, number) in zip(try gathered(set, Array(0..<40), Float.self), expected) {
          #expect(abs(Float(found) - Float(number)) <= 2 * Float(number).ulp)
        }
      }
    }
    // What rounding to 16 bits leaves is within the tolerance.
    let softmax = (0..<40).map { _ in
      let weights = samples.normals(1000, 2).map { exp($0) }
      return weights.map { $0 / weights.reduce(0, +) }
    }
    for descriptor in ["<f2", "<V2", "<f4"] {
      let set = try set(softmax, descriptor)
      let values = try gathered(set, Array(0..<40), Double.self)
      for row in 0..<40 { #expect(abs(accurateSum(Array(values[row * 1000..<(row + 1) * 1000])) - 1) < 1e-14) }
    }
  }

  @Test func `Fractions that are all one-hot are classes`() throws {
    let hot: [[Double]] = [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    let soft = [[0.5, 0.25, 0.25], [0, 1, 0]]
    for descriptor in ["<f2", "<f4", "<f8"] {
      let set = try set(hot, descriptor)
      #expect(set.probabilities == nil && set.labels == [1, 2, 0] && set.classCount == 3)
    }
    // One row of fractions in any file makes all rows probabilities.
    let mixed = try set([array(hot), array(soft)], rows: [3, 2])
    #expect(mixed.labels == [1, 2, 0, 0, 1])
    #expect(try gathered(mixed, [0, 1, 2, 3, 4], Double.self) == (hot + soft).flatMap { $0 })
    // Other files than probabilities of one type are refused then.
    let two = Fixtures.numpy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }", "")
    for other in [two + [0, 1, 0, 1, 0, 0], array([[1, 0, 0], [0, 0, 1]], "<f4")] {
      let error = dataError { _ = try set([other, array(soft)], rows: [2, 2]) }
      #expect(error?.exitCode == 65)
      #expect(error?.message.contains("files of a set must have one shape and type") == true, "\(error!)")
    }
    let error = dataError {
      _ = try set([array([[0.5, 0.5, 0], [0, 1, 0]]), array([[0.5, 0.5], [0, 1]])], rows: [2, 2])
    }
    #expect(error?.message.contains("has probabilities of 2 columns, and") == true)
  }

  @Test func `Rows that are no distributions are refused, with the row and a remedy`() throws {
    // More than are checked at once.
    let file = array([[Double]](repeating: [0.25, 0.5, 0.25], count: 12003))
    for (bad, words) in [
      ([0.25, .nan, 0.5], ["has nan for class 1", "0 or more"]),
      ([0.25, 0.75, .infinity], ["has inf for class 2"]),
      ([1.25, -0.25, 0], ["has -0.25 for class 1", "softmax of logits"]),
      ([0, 0, 0], ["has zeros alone", "leave the example out"]),
      ([0.25, 0.25, 0.25], ["sums to 0.75, and not to 1", "array.sum(axis=1, keepdims=True)"]),
      ([0.5, 0.5, 0.5], ["sums to 1.5"]), ([0, 1, 1], ["sums to 2.0"]), ([0.5, 0.5, 0.0015], ["sums to 1.0015"]),
    ] as [([Double], [String])] {
      for row in [0, 2, 12000] {
        var bytes = file
        // Later faults are not the one to name.
        for (row, values) in [(row, bad), (12002, [-1, 1, 1])] {
          let start = bytes.count - 24 * (12003 - row)
          bytes.replaceSubrange(start..<start + 24, with: TypedBytes.bytes(values, .float64))
        }
        let error = dataError { _ = try ArrayLabels.read([directory.write(bytes)], format: .auto) }
        #expect(error?.exitCode == 65)
        for word in ["row \(row) of probabilities of the shape (n, 3) "] + words {
          #expect(error?.message.contains(word) == true, "no \(word) in \(error?.message ?? "none")")
        }
      }
    }
    // Of types of 16 bits, whose rounding is coarser, 1 % is left.
    let nearly = [[0.5, 0.5, 0.0078125], [0, 1, 0]]
    #expect(throws: Never.self) { try set(nearly, "<f2") }
    #expect(dataError { _ = try set(nearly, "<f4") }?.exitCode == 65)
    #expect(dataError { _ = try set([[0.5, 0.5, 0.015625], [0, 1, 0]], "<f2") }?.exitCode == 65)
  }

  @Test func `Other numbers of rows or columns are refused`() throws {
    let error = dataError { _ = try set([array(Self.rows)], rows: [4]) }
    #expect(error?.message.contains("has 4 examples, and \(directory.path)/y0.npy has 5 labels") == true)
    // One column is no distribution.
    let column =
      Fixtures.numpy(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1), }", "")
      + TypedBytes.bytes([1, 0.5], .float64)
    let one = dataError { _ = try set([column], rows: [2]) }
    #expect(one?.message.contains("the label of row 1, 0.5, is no class number") == true)
    #expect(one?.message.contains("for each class a column of probabilities") == true)
    let train = try set(Self.rows)
    let two = try set([array([[0.5, 0.5], [0, 1]])], rows: [2])
    #expect(two.classCount == 2)
    for (count, other) in [(2, nil), (4, nil), (nil, two)] as [(Int?, Dataset?)] {
      let error = dataError {
        _ = try set([array(Self.rows)], rows: [5], classCount: count ?? other?.classCount, like: other)
      }
      #expect(error?.message.contains("has probabilities of 3 columns, and there are ") == true, "\(error!)")
    }
    #expect(try set([array(Self.rows)], rows: [5], classCount: 3, like: train).probabilities != nil)
  }

  @Test func `Columns are the classes in their order, whatever these are called`() throws {
    let hard = try set(
      [Fixtures.numpy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", "000102")], rows: [3])
    for names in [["a", "b", "c"], ["0", "1", "2"]] {
      let other = Dataset(features: hard.features, labels: hard.labels, classes: ClassMap(texts: names))
      let test = try set([array(Self.rows)], rows: [5], like: other)
      #expect(test.labels == [1, 0, 2, 2, 0] && test.probabilities != nil)
      let note = try #require(test.labelNote)
      #expect(
        note.contains("labels are probabilities") && note.contains(" of a, b, c in this order") == (names[0] == "a"))
    }
  }

  @Test func `Rows that are left out or held out take their probabilities with them`() throws {
    let whole = try set([array(Self.rows)], rows: [5], ignoring: .number(2))
    let set = try whole.leavingOutIgnored("")
    #expect(set.labels == [1, 0, 0] && set.classCount == 3)
    #expect(try gathered(set, [0, 1, 2], Double.self) == [0, 1, 4].flatMap { Self.rows[$0] })
    let many = try self.set((0..<200).map { Self.rows[$0 % 5] })
    let (training, validation) = try many.holdingOut(0.25, classCount: 3, seed: 3, "")
    // The rows are those that the labels alone give.
    let rows = HeldOutRows(0.25, of: many.labels, classCount: 3, seed: 3)
    for (part, rows) in [(training, rows.training), (validation, rows.validation)] {
      #expect(part.labels == rows.map { many.labels[$0] } && !rows.isEmpty)
      #expect(try gathered(part, Array(rows.indices), Double.self) == rows.flatMap { Self.rows[$0 % 5] })
      #expect(part.probabilities?.values.isMapped == true)
    }
  }

  @Test func `A checksum tells probabilities of one class apart, and not their types`() throws {
    func checksum(_ rows: [[Double]], _ descriptor: String = "<f8", cut: Int? = nil) throws -> UInt64 {
      let set = try set(rows, descriptor)
      let cut = cut ?? rows.count
      return set.look(in: 0..<cut).checksum &+ set.look(in: cut..<rows.count).checksum
    }
    let sum = try checksum(Self.rows)
    for (descriptor, _) in Self.types { #expect(try checksum(Self.rows, descriptor, cut: 2) == sum) }
    var other = Self.rows
    other[2] = [0.25, 0.125, 0.625]
    #expect(try set(other).labels == set(Self.rows).labels)
    #expect(try checksum(other) != sum)
    other = Self.rows
    other.swapAt(2, 3)
    #expect(try set(other).labels == set(Self.rows).labels)
    #expect(try checksum(other) != sum)
  }

  @Test func `Another process has the probabilities where they are`() throws {
    for fortran in [false, true] {
      let whole = try set(Self.rows, "<f4", fortran: fortran)
      let message = try JSONEncoder().encode(#require(SharedDataset(whole)))
      let other = try #require(
        try JSONDecoder().decode(SharedDataset.self, from: message).dataset(labels: whole.labels))
      #expect(other.probabilities?.values.place == whole.probabilities?.values.place)
      #expect(try gathered(other, [4, 1], Double.self) == [4, 1].flatMap { Self.rows[$0] })
      #expect(other.look(in: 0..<5).checksum == whole.look(in: 0..<5).checksum)
    }
  }

  @Test func `Class weights of a row are the mean under its probabilities`() throws {
    let probabilities = try #require(set(Self.rows).probabilities)
    #expect(probabilities.means(of: [1, 2, 8], in: 1..<4) == [4.5, 5.625, 8])
    var counts = [Double](repeating: 0, count: 3)
    counts.withUnsafeMutableBufferPointer { counts in
      probabilities.addCounts(of: 0..<3, in: 0..<2, to: counts)
      probabilities.addCounts(of: 0..<3, in: 2..<5, to: counts)
    }
    #expect(counts == [1.25, 1.125, 2.625])
    // Balanced by the expected counts: n/(C n_c).
    let weights = ClassWeights.balanced.values(counts: counts, examples: 5)
    #expect(weights == counts.map { 5 / (3 * $0) })
    let balanced = try #require(
      ExampleWeights(
        nil, factors: probabilities.means(of: ExampleWeights.relative(weights), in: 0..<5), count: 5))
    // Then the expected weights of the classes are alike.
    for c in 0..<3 {
      let total = (0..<5).reduce(0) { $0 + Self.rows[$1][c] * weights[c] }
      #expect(abs(total - 5.0 / 3) < 1e-15)
    }
    #expect(abs(balanced.values.reduce(0, +) - 5) < 1e-14)
  }

  @Test func `Convert refuses them`() throws {
    let features = directory.write(
      Fixtures.numpy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (5, 1), }", "0001020304"), "x.npy")
    let labels = directory.write(array(Self.rows), "y.npy")
    let error = dataError {
      _ = try Conversion(
        .init(FileList(features), labels: FileList(labels)), to: .init(directory.path + "/out.csv")
      ).run()
    }
    #expect(error?.exitCode == 65 && error?.message.contains("array.argmax(axis=1) of probabilities") == true)
  }
}

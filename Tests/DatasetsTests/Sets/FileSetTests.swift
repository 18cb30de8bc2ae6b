import Foundation
import LinearAlgebra
import Testing

@testable import Datasets

/// Several files are equivalent to one file with the rows of all of them.
@Suite struct FileSetTests {
  let directory = try! TemporaryDirectory()

  func path(_ name: String) -> String { directory.path + "/" + name }
  func write(_ text: String, _ name: String) -> String { directory.write(Array(text.utf8), name) }

  // MARK: Names

  @Test func `A pattern has its files in the order of their bytes`() throws {
    for name in ["part-2", "part-10", "part-1", "Part-3", "part-ä", "part[1]"] { _ = write("x", name) }
    let names = { (list: [String]) in
      try FileList(list.map(path)).paths().map { String($0.dropFirst(directory.path.count + 1)) }
    }
    #expect(try names(["part-*"]) == ["part-1", "part-10", "part-2", "part-ä"])
    #expect(try names(["part-2", "part-1*", "?art-3"]) == ["part-2", "part-1", "part-10", "Part-3"])
    #expect(try names(["part-[2-9]", "part[1]", "none"]) == ["part-2", "part[1]", "none"])
    let missing = dataError { _ = try names(["part-1", "no-*.npy"]) }
    #expect(missing?.exitCode == 66 && missing?.path == path("no-*.npy"))
    let twice = dataError { _ = try names(["part-2", "part-?"]) }
    #expect(twice?.exitCode == 65 && twice?.path == path("part-2") && twice?.message.contains("twice") == true)
  }

  @Test func `A file is named twice by whatever path`() throws {
    let file = write("x", "a.csv")
    try FileManager.default.createDirectory(atPath: path("sub"), withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(atPath: path("soft.csv"), withDestinationPath: "a.csv")
    try FileManager.default.linkItem(atPath: file, toPath: path("hard.csv"))
    for other in ["./a.csv", "sub/../a.csv", "soft.csv", "hard.csv"] {
      let error = dataError { _ = try FileList([file, path(other)]).paths() }
      #expect(error?.exitCode == 65 && error?.path == path(other))
    }
    // Two arrays of one file are two, and so are copies.
    try FileManager.default.copyItem(atPath: file, toPath: path("copy.csv"))
    #expect(try FileList(["\(file):x", "\(file):y", file, path("copy.csv"), path("none")]).paths().count == 5)
  }

  // MARK: Arrays

  /// The pieces of a matrix, each with its rows in separate memory.
  func cut(_ whole: FeatureMatrix, _ counts: [Int]) -> FeatureMatrix {
    var start = 0
    return FeatureMatrix(
      joining: counts.map { count in
        defer { start += count }
        let bytes = TypedBytes.bytes(
          Array(values(of: whole)[start * whole.columns..<(start + count) * whole.columns]), whole.element,
          isSwapped: whole.isSwapped)
        return FeatureMatrix(
          rows: count, shape: whole.shape, element: whole.element, isSwapped: whole.isSwapped,
          pieces: FeatureMatrix(bytes, shape: [bytes.count / count]).pieces)
      })
  }

  @Test(arguments: FeatureMatrix.Element.allCases)
  func `Pieces are one matrix`(_ element: FeatureMatrix.Element) {
    let whole = GatherTests.matrix(element, isSwapped: element.size == 2)
    for counts in [[11], [1, 10], [4, 1, 6], Array(repeating: 1, count: 11)] {
      let joined = cut(whole, counts)
      #expect(joined.rows == 11 && joined.pieces.count == counts.count && values(of: joined) == values(of: whole))
      for range in [0..<11, 3..<5, 4..<5, 2..<10, 10..<11, 5..<5] {
        #expect(joined.statistics(in: range) == whole.statistics(in: range))
        #expect(joined.checksum(in: range) == whole.checksum(in: range))
        #expect(values(of: joined[rows: range]) == values(of: whole[rows: range]))
        #expect(joined[rows: range].rows == range.count)
        for kind in Normalization.Kind.allCases {
          let normalization = Normalization(kind, whole.statistics(in: 0..<11))
          let targets = [joined, whole].map { features in
            let target = Matrix<Float>(zeros: range.count + 4, features.columns)
            features.gather(rows: range, into: target[rows: 0..<range.count], normalization: normalization)
            features.gather(
              rows: [10, 0, 3, 4], into: target[rows: range.count..<range.count + 4], normalization: normalization)
            return target.elements.array
          }
          #expect(targets[0] == targets[1])
        }
      }
    }
  }

  @Test func `The first value that is not finite is found in its piece`() {
    let whole = FeatureMatrix([1, 2, 3, 4, .nan, 6, 7, .infinity] as [Float], shape: [2])
    let joined = cut(whole, [1, 2, 1])
    for range in [0..<4, 0..<2, 3..<4, 2..<3] {
      let (found, expected) = (joined.firstNonFinite(in: range), whole.firstNonFinite(in: range))
      #expect(found?.row == expected?.row && found?.column == expected?.column)
    }
  }

  @Test func `Files make a data set`() throws {
    let features = ["a.npy", "b.npy", "c.npy"].map(path)
    for (index, name) in features.enumerated() {
      try NPY.write(Matrix(Vector((0..<2 * (index + 1)).map(Float.init)), index + 1, 2), to: name)
      try NPY.write((0...index).map { Int64(10 * index + $0) }, to: name + ".labels.npy")
    }
    try NPY.write([0, 10, 11, 20, 21, 22] as [Int64], to: path("all.npy"))
    let pattern = FileList(path("?.npy"))
    for labels in [FileList(path("*.labels.npy")), FileList(path("all.npy"))] {
      let set = try Dataset(features: pattern, labels: labels)
      #expect(set.labels == [0, 10, 11, 20, 21, 22] && set.count == 6)
      #expect(values(of: try #require(set.features.matrix)) == [0, 1, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5])
      #expect(try #require(set.featureFiles).place(of: 4) == (features[2], 1))
    }
    func error(_ labels: [String]) -> DataError? {
      dataError { _ = try Dataset(features: pattern, labels: FileList(labels.map(path))) }
    }
    let counts = error(["a.npy.labels.npy", "b.npy.labels.npy"])
    #expect(counts?.exitCode == 65 && counts?.message.contains("2 files of labels") == true)
    let order = error(["a.npy.labels.npy", "c.npy.labels.npy", "b.npy.labels.npy"])
    #expect(order?.path == features[1] && order?.message.hasPrefix("has 2 examples") == true)
    #expect(error(["c.npy.labels.npy"])?.message.contains("3 files from") == true)

    try NPY.write(Matrix(Vector([Float](repeating: 0, count: 3)), 1, 3), to: path("d.npy"))
    let width = dataError { _ = try Dataset(features: pattern, labels: FileList(path("all.npy"))) }
    #expect(width?.path == path("d.npy") && width?.message.contains("3 float32 values") == true)
    try NPY.write(Matrix(Vector([Double](repeating: 0, count: 2)), 1, 2), to: path("d.npy"))
    for error in [
      dataError { _ = try Dataset(features: pattern, labels: FileList(path("all.npy"))) },
      dataError { _ = try FeatureStream(paths: pattern.paths()) },
    ] {
      #expect(error?.path == path("d.npy") && error?.message.contains("2 float64 values") == true)
    }
  }

  @Test func `Streams go on in the next file`() throws {
    let rows = (0..<12).map { UInt8($0) }
    let whole = directory.write(Fixtures.idx(8, [12, 2], rows.flatMap { [$0, 2 * $0] }), "whole")
    var paths: [String] = []
    for (number, range) in [0..<3, 3..<4, 4..<10, 10..<12].enumerated() {
      let file = Fixtures.idx(8, [UInt32(range.count), 2], range.flatMap { [rows[$0], 2 * rows[$0]] })
      paths.append(directory.write(number % 2 == 0 ? file : Fixtures.storedMember(file), "part\(number)"))
    }
    func read(_ paths: [String], _ ranges: [Range<Int>], skip: Int) throws -> [Double] {
      let stream = try FeatureStream(paths: paths)
      var numbers: [Double] = []
      for range in ranges {
        let features = try #require(stream.read(range).matrix)
        numbers += values(of: features)
        try stream.skip(to: min(12, range.upperBound + skip))
        #expect(features.rows == range.count && stream.rows == 12)
      }
      try stream.skip(to: 12)
      return numbers
    }
    for (ranges, skip) in [([0..<12], 0), ([0..<2, 2..<5, 5..<12], 0), ([1..<4, 8..<11], 4), ([11..<12], 0)] {
      #expect(try read(paths, ranges, skip: skip) == read([whole], ranges, skip: skip))
    }
    // Damage that shows only at the end of a file, which is skipped.
    var damaged = try directory.read("part1")
    damaged[damaged.count - 8] ^= 1
    _ = directory.write(damaged, "part1")
    let error = dataError { _ = try read(paths, [0..<2, 8..<9], skip: 0) }
    #expect(error?.exitCode == 65 && error?.path == paths[1])
  }

  // MARK: Text

  @Test func `Sparse texts are one text`() throws {
    let texts = ["b 1:1 3:2\n# none\nc 2:1", "a 7:1\nb 1:2\n\n", "d 1:1\n"]
    let paths = texts.enumerated().map { write($1, "\($0).svm") }
    let whole = write(texts.joined(separator: "\n"), "whole.svm")
    for columns in [nil, 9] {
      let (parts, all) = (
        try SVMLight.read(paths: paths, columns: columns), try SVMLight.read(path: whole, columns: columns)
      )
      #expect(rows(parts) == rows(all) && parts.features.columns == columns ?? 7)
      #expect(parts.labels?.texts == ["b", "c", "a", "d"] && parts.labels?.codes == all.labels?.codes)
      #expect(parts.labels?.places.map(\.path) == [paths[0], paths[0], paths[1], paths[2]])
      #expect(parts.labels?.places.map(\.line) == [1, 3, 1, 1])
    }
    // An index 0 in one file sets the base for all.
    let zero = write("a 0:5\n", "3.svm")
    #expect(try SVMLight.read(paths: [paths[1], zero]).features.columns == 8)
    func error(_ text: String, columns: Int? = nil) -> DataError? {
      let last = write(text, "last.svm")
      return dataError { _ = try SVMLight.read(paths: paths + [last], columns: columns) }
    }
    for (text, columns, words) in [
      ("a 1:1\nb x:1\n", nil, "line 2: "), ("a 1:1\na 8:1\n", 7, "line 2: "), ("# nothing\n", nil, "holds no examples"),
      ("", nil, "is empty"), ("1:1\n", nil, "line 1: starts with '1:1', and not with a label"),
    ] as [(String, Int?, String)] {
      let found = error(text, columns: columns)
      #expect(
        found?.path == path("last.svm") && found?.message.hasPrefix(words) == true, "\(String(describing: found))")
    }
    let known = ClassMap(texts: ["a", "b", "c"])
    let unknown = dataError { _ = try known.classes(of: SVMLight.read(paths: paths).labels!) }
    #expect(unknown?.path == paths[2] && unknown?.message.hasPrefix("line 1: the label 'd'") == true)
  }

  @Test func `Tables are one table`() throws {
    let whole = write("x,kind,y\n1,a,2\n3,b,4\n5,c,6\n", "whole.csv")
    let expected = try CSV.read(path: whole, options: .init(label: .name("kind")))
    for names in ["", "x,kind,y\n", "\n \nx , \"kind\",y\r\n"] {
      let paths = [
        write("x,kind,y\n1,a,2\n", "0.csv"), write(names + "3,b,4\n", "1.csv"), write(names + "5,c,6", "2.csv"),
      ]
      for label in [CSV.LabelPosition.name("kind"), .number(2)] {
        let table = try CSV.read(paths: paths, options: .init(label: label))
        #expect(values(of: table.features) == values(of: expected.features) && table.columns.features == ["x", "y"])
        #expect(table.labels?.texts == ["a", "b", "c"] && table.labels?.places.map(\.path) == paths)
      }
    }
    func error(_ first: String, _ second: String) -> DataError? {
      let paths = [write(first, "0.csv"), write(second, "1.csv")]
      let found = [
        dataError { _ = try CSV.read(paths: paths) },
        dataError { _ = try Conversion(.init(FileList(paths)), to: .init(path("o.npy"))).run() },
      ]
      #expect(found[0]?.message == found[1]?.message && found[0]?.exitCode == 65)
      return found[0]
    }
    for (first, second, words) in [
      ("1,2,a\n", "\n1,2,3,a\n", "line 2 has 4 columns"), ("1,2,a\n", "1;2;a\n", "line 1 has 1 columns"),
      ("1,2,a\n", "x,y,kind\n1,2,a\n", "line 1 has names"),
      ("x,y,kind\n1,2,a\n", "x,z,kind\n1,2,a\n", "line 1 has 'z' for the name of column 2"),
      ("x,y,kind\n1,2,a\n", "x,y,kind\n1,2,a\n1,b,c\n", "line 3: column 2 'y' has 'b'"),
      ("x,y,kind\n1,2,a\n", "x,y,kind\n", "holds no examples: line 1 is"), ("1,2,a\n", "\n\n", "holds no examples"),
    ] {
      let found = error(first, second)
      #expect(found?.path == path("1.csv") && found?.message.hasPrefix(words) == true, "\(String(describing: found))")
    }
  }

  @Test func `A set is converted as one file`() throws {
    let texts = ["x,y,kind\n1,2,a\n3,0,b\n", "5,6,c\n", "x,y,kind\n7,8,a\n"]
    let paths = texts.enumerated().map { write($1, "t\($0).csv") }
    let whole = write("x,y,kind\n1,2,a\n3,0,b\n5,6,c\n7,8,a\n", "whole.csv")
    for (name, target) in [("o.npy", "p.npy"), ("o.csv", "p.csv"), ("o.svm", "p.svm")] {
      var shares: [Double] = []
      let summary = try Conversion(.init(FileList(paths)), to: .init(path(name))).run { shares.append($0.fraction) }
      #expect(try summary == Conversion(.init(FileList(whole)), to: .init(path(target))).run())
      #expect(try directory.read(name) == directory.read(target))
      #expect(shares.last == 1 && shares.allSatisfy { $0 >= 0 && $0 <= 1 })
    }
    let parts = [("o.svm", "a.npy"), ("p.svm", "b.npy")]
    for (source, target) in parts {
      _ = try Conversion(
        .init(FileList(path(source))), to: .init(path(target), labels: path("y-" + target))
      ).run()
    }
    let arrays = Conversion(
      .init(FileList([path("a.npy"), path("b.npy")]), labels: FileList([path("y-a.npy"), path("y-b.npy")])),
      to: .init(path("both.csv")))
    #expect(try arrays.run().examples == 8)
    let once = "1,2,0\n3,0,1\n5,6,2\n7,8,0\n"
    #expect(try directory.read("both.csv") == Array((once + once).utf8))
    let unequal = Conversion(
      .init(FileList([path("a.npy"), path("b.npy")]), labels: FileList([path("y-a.npy")])), to: .init(path("n.csv")))
    #expect(dataError { _ = try unequal.run() }?.message.contains("4 labels") == true)
  }
}

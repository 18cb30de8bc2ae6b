import Foundation
import LinearAlgebra
import Testing

@testable import Datasets

@Suite struct ConversionTests {
  let directory = try! TemporaryDirectory()

  func path(_ name: String) -> String { directory.path + "/" + name }

  /// Single-precision numbers of all kinds; every fourth is zero.
  static let numbers: [Float] = {
    var generator = SplitMix64(seed: 8)
    return (0..<600).map { index in
      if index % 4 == 0 { return 0 }
      if index % 4 == 1 { return Float(Int(generator.next(below: 512)) - 256) }
      let number = Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
      return number.isFinite ? number : 0.1
    }
  }()
  static let columns = 6
  static let labels = (0..<100).map { Int64($0 * 7 % 3) }

  /// Writes `x.npy` and `y.npy`.
  func writeArrays() throws {
    try NPY.write(Matrix(Vector(Self.numbers), 100, Self.columns), to: path("x.npy"))
    try NPY.write(Self.labels, to: path("y.npy"))
  }

  /// Converts files of the directory into others of it, which `output` names, with the columns of a table or a number
  /// of features as `options` says.
  @discardableResult
  func convert(
    _ input: String, labels: String? = nil, names: String? = nil, options: TextOptions = TextOptions(),
    to output: Conversion.Output, element: FeatureMatrix.Element = .float32
  ) throws -> ConversionSummary {
    var output = output
    output.path = path(output.path)
    (output.labels, output.classes) = (output.labels.map(path), output.classes.map(path))
    // The names of columns are specific to tables; the rest of the summary does not depend on the format.
    var summary = try Conversion(
      .init(
        FileList(path(input)), labels: labels.map { FileList(path($0)) }, options: options,
        classNames: try names.map { try ClassNames(path: path($0)) }),
      to: output, element: element
    ).run()
    (summary.tableColumns, summary.labelNote) = (nil, nil)
    return summary
  }

  @Test func `Every format gives the same bits back`() throws {
    try writeArrays()
    _ = directory.write(Array("two words\nüber\n\"x\"\n".utf8), "names")
    _ = directory.write(Array("-1\n5\n+7\n".utf8), "numbers")
    // The last column has values in all rows, so that sparse text shows the number of columns.
    for (name, names) in [("a.csv", "names"), ("a.tsv", "names"), ("a.svm", "numbers"), ("a.libsvm", "numbers")] {
      let summary = try convert("x.npy", labels: "y.npy", names: names, to: .init(name))
      for packed in [false, true] {
        let source = packed ? "\(name).gz" : name
        if packed { _ = directory.write(Fixtures.storedMember(try directory.read(name)), source) }
        let again = try convert(source, names: names, to: .init("b.npy", labels: "c.npy", classes: "n"))
        #expect(again == summary)
        #expect(try directory.read("b.npy") == directory.read("x.npy"), "\(source)")
        #expect(try directory.read("c.npy") == directory.read("y.npy"), "\(source)")
        #expect(try directory.read("n") == directory.read(names))
      }
      for other in ["o.csv", "o.tsv", "o.svm"] where names == "numbers" || other != "o.svm" {
        #expect(try convert(name, to: .init(other)) == convert(other, to: .init(name)), "\(name) and \(other)")
        try convert(other, names: names, to: .init("b.npy", labels: "c.npy"))
        #expect(try directory.read("b.npy") == directory.read("x.npy"), "\(name) by \(other)")
        #expect(try directory.read("c.npy") == directory.read("y.npy"), "\(name) by \(other)")
      }
    }
    #expect(!directory.names.contains { $0.hasSuffix(".partial") })
  }

  @Test func `Numbers are written in the precision that is asked for`() throws {
    let numbers = [1 / 3.0, 0.1, -1e-300, 16_777_217, 2, -0.0]
    try NPY.write(Matrix(Vector(numbers), 3, 2), to: path("x.npy"))
    for name in ["a.csv", "b.npy"] {
      try convert("x.npy", options: .init(table: .init(label: .absent)), to: .init(name), element: .float64)
      try convert(
        name, options: .init(table: .init(label: name == "a.csv" ? .absent : .last)), to: .init("c.npy"),
        element: .float64)
      #expect(try directory.read("c.npy") == directory.read("x.npy"))
      try convert("x.npy", options: .init(table: .init(label: .absent)), to: .init(name))
      try convert(name, options: .init(table: .init(label: name == "a.csv" ? .absent : .last)), to: .init("c.npy"))
      let found = values(of: try FeatureMatrix(path: path("c.npy")))
      #expect(found == numbers.map { Double(Float($0)) } && found[5].sign == .minus)
    }
  }

  @Test func `Images and their labels are converted`() throws {
    _ = directory.write(Fixtures.gzipIDX, "images.gz")
    _ = directory.write(Fixtures.idx(8, [3], [2, 0, 1]), "labels")
    let summary = try convert("images.gz", labels: "labels", to: .init("x.npy", labels: "y.npy"))
    #expect(values(of: try FeatureMatrix(path: path("x.npy"))) == (0..<12).map(Double.init))
    #expect(try directory.read("y.npy") == Fixtures.labelsI8)
    #expect(summary.examples == 3 && summary.features == 4 && summary.maximum == 11 && summary.mean == 5.5)
  }

  @Test func `The summary is that of the values`() throws {
    try writeArrays()
    let summary = try convert("x.npy", labels: "y.npy", to: .init("a.csv"))
    let numbers = Self.numbers.map(Double.init)
    #expect(summary.examples == 100 && summary.features == 6 && summary.classes == 3)
    #expect(summary.minimum == numbers.min() && summary.maximum == numbers.max())
    #expect(summary.nonzeroShare == Double(numbers.count { $0 != 0 }) / 600)
    #expect(abs(summary.mean - numbers.reduce(0, +) / 600) <= 1e-12 * numbers.map(\.magnitude).max()!)
    #expect(summary.largestClass == .init(name: "0", examples: 34) && summary.constantColumns == 0)
    #expect(summary.smallestClass == .init(name: "1", examples: 33))

    // Columns: always 3; absent; 0 or 2; -1 or 4 and no zero; -5 or 0.
    let lines = ["a 1:3 3:2 4:-1 5:-5", "b 1:3 4:4", "b 1:3 4:4"].joined(separator: "\n")
    _ = directory.write(Array(lines.utf8), "s.svm")
    let dense = directory.write(Array("a,3,0,2,-1,-5\nb,3,0,0,4,0\nb,3,0,0,4,0".utf8), "d.csv")
    #expect(dense == path("d.csv"))
    for target in ["t.npy", "t.svm", "t.csv"] {
      let sparse = try convert("s.svm", to: .init(target))
      #expect(try sparse == convert("d.csv", options: .init(table: .init(label: .first)), to: .init(target)))
      #expect(sparse.constantColumns == 2 && sparse.minimum == -5 && sparse.maximum == 4)
      #expect(sparse.nonzeroShare == 8 / 15.0 && abs(sparse.mean - 13 / 15.0) < 1e-15)
      #expect(sparse.smallestClass?.name == "a" && sparse.largestClass == .init(name: "b", examples: 2))
    }
  }

  @Test func `A table keeps its names with the labels last`() throws {
    _ = directory.write(Array("kind,x,\"y, z\"\nred,1,2\n\"a b\",3,4.5\n".utf8), "a.csv")
    try convert("a.csv", options: .init(table: .init(label: .name("kind"))), to: .init("b.tsv", classes: "names"))
    #expect(
      String(decoding: try directory.read("b.tsv"), as: UTF8.self) == "x\t\"y, z\"\tkind\n1\t2\tred\n3\t4.5\t\"a b\"\n")
    #expect(String(decoding: try directory.read("names"), as: UTF8.self) == "a b\nred\n")
    try convert("b.tsv", to: .init("c.csv"))
    try convert("c.csv", to: .init("d.tsv"))
    #expect(try directory.read("d.tsv") == directory.read("b.tsv"))
    _ = directory.write(Array("1,2\n3,4".utf8), "bare.csv")
    let summary = try convert("bare.csv", options: .init(columns: 2), to: .init("x.npy"))
    #expect(summary.features == 2 && summary.classes == 0 && summary.smallestClass == nil)
  }

  @Test func `Class names say which class is which`() throws {
    _ = directory.write(Array("high\r\nlow\r\nnever\r\n".utf8), "names")
    _ = directory.write(Array("1,low\n2,high\n3,low".utf8), "a.csv")
    let summary = try convert("a.csv", names: "names", to: .init("x.npy", labels: "y.npy"))
    #expect(try DataFormat.npy.read(path("y.npy")).labels() == [1, 0, 1])
    #expect(summary.classes == 3 && summary.smallestClass == .init(name: "never", examples: 0))
    _ = directory.write(Array("10\n2.0\n-3".utf8), "numbers")
    _ = directory.write(Array("2 1:1\n-3 1:1\n1e1 1:1".utf8), "a.svm")
    try convert("a.svm", names: "numbers", to: .init("x.npy", labels: "y.npy"))
    #expect(try DataFormat.npy.read(path("y.npy")).labels() == [1, 2, 0])
    for (text, words) in [
      ("", "holds no names"), ("a\nb\na\n", "line 3 has 'a', as line 1"), ("1\n1.0", "line 2"),
      ("a\n\nb\n", "line 2 is empty; name a class"), ("a\nNaN\n", "line 2 has 'NaN', which stands for a missing label"),
      ("1\n2\nNA\n", "line 3 has 'NA'"),
    ] {
      _ = directory.write(Array(text.utf8), "bad")
      #expect(dataError { _ = try ClassNames(path: path("bad")) }?.message.hasPrefix(words) == true)
    }
    #expect(dataError { _ = try ClassNames(path: directory.write([0xff])) }?.exitCode == 65)
    #expect(dataError { _ = try ClassNames(path: path("missing")) }?.exitCode == 66)
  }

  @Test func `Class names may begin with a byte order mark`() throws {
    _ = directory.write(Array("\u{feff}low\r\nhigh\r\n".utf8), "names")
    #expect(try ClassNames(path: path("names")).names == ["low", "high"])
    _ = directory.write(Array("\u{feff}".utf8), "empty")
    #expect(dataError { _ = try ClassNames(path: path("empty")) }?.message.hasPrefix("holds no names") == true)
  }

  @Test func `What is wrong is named and leaves nothing`() throws {
    try writeArrays()
    let write = { (name: String, text: String) in _ = directory.write(Array(text.utf8), name) }
    write("names", "a\nb\n")
    write("middle.svm", String(repeating: "a 1:1\n", count: 50) + "a 1:x\n" + String(repeating: "a 1:1\n", count: 50))
    write("c.svm", "a 1:1\nb 1:2\nc 1:3\n")
    write("words.csv", "1,two words\n")
    write("bare.csv", "1,2\n")
    write("wide.svm", (0..<500_000).map { _ in "1 2000000000:1\n" }.joined())
    write("large.csv", "1e39,a\n1,b\n")
    try NPY.write(Matrix(Vector([1, 1e39, 1, .infinity]), 2, 2), to: path("large.npy"))
    try NPY.write([0, -1] as [Int64], to: path("negative.npy"))
    _ = directory.write(Array("gr\u{fc}n,kind\n1,a\n".unicodeScalars.map { UInt8($0.value) }), "latin.csv")
    try FileManager.default.createDirectory(atPath: path("folder.npy"), withIntermediateDirectories: false)
    let before = Set(directory.names)
    func error(_ body: () throws -> Void) -> String {
      let error = dataError(body)
      #expect(Set(directory.names) == before, "\(String(describing: error))")
      return error.map { "\($0.exitCode) \($0)" } ?? "none"
    }
    func expect(_ found: String, _ code: Int, _ words: String...) {
      #expect(found.hasPrefix("\(code) \(directory.path)") && words.allSatisfy(found.contains), "\(found)")
    }
    expect(
      error { try convert("middle.svm", to: .init("o.npy", labels: "l.npy")) }, 65, "middle.svm", "line 51", "'1:x'")
    expect(error { try convert("missing.svm", to: .init("o.npy")) }, 66, "missing.svm")
    expect(error { try convert("x.npy", labels: "missing", to: .init("o.csv")) }, 66, "missing")
    expect(
      error { try convert("c.svm", names: "names", to: .init("o.csv")) }, 65, "c.svm", "line 3", "'c'", "2 classes",
      "names")
    expect(
      error { try convert("x.npy", labels: "y.npy", names: "names", to: .init("o.csv")) }, 65, "y.npy", "has label 2",
      "names 2")
    expect(error { try convert("large.npy", labels: "negative.npy", to: .init("o.csv")) }, 65, "example 1 has label -1")
    expect(error { try convert("words.csv", to: .init("o.svm")) }, 74, "o.svm", "'two words'")
    expect(
      error { try convert("bare.csv", options: .init(columns: 2), to: .init("o.svm")) }, 65, "bare.csv", "no labels")
    expect(
      error { try convert("bare.csv", options: .init(columns: 7), to: .init("o.csv")) }, 65, "bare.csv",
      "1 features, and not 7")
    expect(
      error { try convert("x.npy", labels: "y.npy", to: .init("o.csv", classes: "n")) }, 65, "numbers for its classes")
    expect(error { try convert("x.npy", labels: "negative.npy", to: .init("o.csv")) }, 65, "100 examples", "2 labels")
    expect(error { try convert("large.csv", to: .init("o.npy")) }, 65, "line 1", "too large for float32")
    expect(error { try convert("large.npy", to: .init("o.csv")) }, 65, "example 1", "not finite", "feature 1")
    try NPY.write(Matrix(Vector([1, 1e39]), 1, 2), to: path("large.npy"))
    expect(
      error { try convert("large.npy", to: .init("o.csv")) }, 65, "example 0", "too large for float32", "feature 1")
    expect(error { try convert("x.npy", to: .init("none/o.csv")) }, 74, "none/o.csv")
    expect(
      error { try convert("x.npy", labels: "y.npy", to: .init("o.csv", labels: "folder.npy")) }, 74, "folder.npy",
      "is a directory")
    expect(error { try convert("latin.csv", to: .init("o.csv")) }, 65, "latin.csv", "line 1", "UTF-8", "iconv")
    try convert("latin.csv", to: .init("o.npy"))
    try FileManager.default.removeItem(atPath: path("o.npy"))
    // The file would take 4 · 10^15 bytes.
    expect(error { try convert("wide.svm", to: .init("o.npy")) }, 74, "o.npy", "4000000000000000 bytes", "free")
  }

  @Test func `Every format is shuffled alike`() throws {
    try writeArrays()
    _ = directory.write(Array("-1\n5\n7\n".utf8), "names")
    try convert("x.npy", labels: "y.npy", names: "names", to: .init("x.svm"))
    try convert("x.npy", labels: "y.npy", names: "names", to: .init("x.csv"))
    try convert("x.npy", labels: "y.npy", to: .init("a.npy", labels: "a-y.npy", seed: 3))
    for (source, target) in [("x.svm", "b.npy"), ("x.csv", "b.npy"), ("x.svm", "b.svm"), ("x.csv", "b.svm")] {
      try convert(source, names: "names", to: .init(target, labels: "b-y.npy", seed: 3))
      #expect(try directory.read("b-y.npy") == directory.read("a-y.npy"), "\(source)")
      if target == "b.svm" { try convert("b.svm", names: "names", to: .init("b.npy")) }
      #expect(try directory.read("b.npy") == directory.read("a.npy"), "\(source) to \(target)")
    }
    #expect(try directory.read("a.npy") != directory.read("x.npy"))
    #expect(directory.names.allSatisfy { name in [".npy", ".svm", ".csv", "names"].contains { name.hasSuffix($0) } })
  }

  @Test func `Names that are written are read back, or refused`() throws {
    try writeArrays()
    for names in ["a,b;c\td\n \"q\" \n#x\n", "NA\nyes\n#\n", "1e3\n+2\n-0.5\n"] {
      _ = directory.write(Array(names.utf8), "names")
      for target in ["t.csv", "t.tsv"] {
        try convert("x.npy", labels: "y.npy", names: "names", to: .init(target))
        try convert(target, names: "names", to: .init("b.npy", labels: "b-y.npy"))
        #expect(try DataFormat.npy.read(path("b-y.npy")).labels() == DataFormat.npy.read(path("y.npy")).labels())
      }
    }
    _ = directory.write(Array("a\rb\nc\nd\n".utf8), "names")
    let error = dataError { try convert("x.npy", labels: "y.npy", names: "names", to: .init("t.csv")) }
    #expect(error?.message.contains("has a line break, which tables are read without") == true)
    // Names of columns that are numbers, or look like a comment.
    for line in ["7,3,label", "\"#a\",b,label", "nan,2019,label", "x y,\"\"\"q\"\"\",label"] {
      _ = directory.write(Array("\(line)\n1.5,2,a\n3,4,b\n".utf8), "n.csv")
      let names = try Conversion(
        .init(FileList(path("n.csv")), options: .init(table: .init(header: .yes))), to: .init(path("m.csv"))
      ).run()
        .tableColumns
      #expect(try CSV.read(path: path("m.csv")).columns == names, "\(line)")
    }
  }

  @Test func `The report may end the work`() throws {
    struct Stop: Error {}
    try writeArrays()
    let before = Set(directory.names)
    let conversion = Conversion(
      .init(FileList(path("x.npy")), labels: FileList(path("y.npy"))), to: .init(path("o.csv"), labels: path("l.npy")))
    #expect(throws: Stop.self) { try conversion.run { _ in throw Stop() } }
    #expect(Set(directory.names) == before)
    var shuffling = conversion.output
    shuffling.seed = 1
    for output in [conversion.output, shuffling] {
      var shares: [Double] = []
      _ = try Conversion(conversion.input, to: output).run { shares.append(Double($0.pass - $0.passes) + $0.fraction) }
      #expect(shares.last == 1 && shares == shares.sorted())
    }
  }

  @Test func `What is there is replaced`() throws {
    try writeArrays()
    _ = directory.write(Array("old".utf8), "o.csv")
    try convert("x.npy", labels: "y.npy", to: .init("o.csv"))
    try convert("o.csv", to: .init("b.npy"))
    #expect(try directory.read("b.npy") == directory.read("x.npy"))
  }
}

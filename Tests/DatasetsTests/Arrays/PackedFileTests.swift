import Testing

@testable import Datasets

/// Each reader refuses files in compressions other than gzip and bzip2, and says how to unpack them.
@Suite struct PackedFileTests {
  let directory = try! TemporaryDirectory()

  func errors(_ path: String) -> [DataError?] {
    let format = ExampleFormat.auto.text(path) ?? .csv
    return [
      dataError { _ = try FeatureMatrix(path: path) }, dataError { _ = try FeatureStream(path: path) },
      dataError { _ = try LabelStream(path: path) },
      dataError { _ = try Dataset.labels([path], for: SetFiles([("features", 3)])) },
      dataError { _ = try DataFormat.npy.read(path) }, dataError { _ = try DataFormat.idx.read(path) },
      dataError { _ = try TextExamples(path: path, format: format) },
      dataError { _ = try TextStream(path) },
      dataError { _ = try Conversion(.init(FileList(path)), to: .init(directory.path + "/out.csv")).run() },
    ]
  }

  @Test(arguments: ["x", "x.npy", "x.csv", "x.svm", "x.csv.xz", "x.npy.xz", "x.idx.XZ"])
  func `Others are told by their first bytes`(_ name: String) {
    let path = directory.write([0xfd] + Array("7zXZ\u{0}\u{1}".utf8), name)
    for error in errors(path) {
      #expect(error?.exitCode == 65 && error?.path == path)
      #expect(error?.message.hasPrefix("is compressed with xz") == true, "\(String(describing: error))")
      #expect(error?.message.hasSuffix(": unxz -k \(path)") == true)
    }
  }

  @Test func `And by their names`() {
    let path = directory.write(Array("1,2,a\n".utf8), "x.csv.xz")
    for error in errors(path) { #expect(error?.message.hasSuffix(": unxz -k \(path)") == true) }
  }

  @Test func `Text may begin as bzip 2 does`() throws {
    let path = directory.write(Array("BZh,kind\n1,a\n".utf8), "x.csv")
    #expect(try TextExamples(path: path, format: .csv).features.rows == 1)
    #expect(try TextStream(path).next()?.count == 13)
  }

  @Test func `Other packers have their commands`() {
    let path = directory.write([0x28, 0xb5, 0x2f, 0xfd, 4], "x")
    for error in errors(path) { #expect(error?.message.hasSuffix(": unzstd \(path)") == true) }
    let zip = directory.write(Array("PK\u{3}\u{4}".utf8), "x.csv")
    #expect(dataError { _ = try TextStream(zip) }?.message.hasSuffix(": unzip \(zip)") == true)
    #expect(dataError { _ = try FeatureStream(path: zip) }?.message.contains("damaged zip") == true)
  }

  @Test func `The format of a text is that of the name within`() {
    for (name, format) in [("a.csv.bz2", ExampleFormat.csv), ("a.SVM.xz", .svmlight), ("a.tsv.gz", .csv)] {
      #expect(ExampleFormat.auto.text(name) == format)
    }
    for name in ["a.bz2", "a.npy.bz2", "a.csv.bak", "csv.bz2"] { #expect(ExampleFormat.auto.text(name) == nil) }
  }
}

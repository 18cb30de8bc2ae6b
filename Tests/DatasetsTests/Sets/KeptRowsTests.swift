import LinearAlgebra
import Testing

@testable import Datasets

/// A set leaves out examples with an ignored label, and keeps the others in place.
@Suite struct KeptRowsTests {
  let directory = try! TemporaryDirectory()

  func npy(_ descriptor: String, _ shape: String, _ bytes: [UInt8]) -> [UInt8] {
    Fixtures.numpy(1, "{'descr': '\(descriptor)', 'fortran_order': False, 'shape': \(shape), }", "") + bytes
  }

  @Test func `Rows of files stay where they are`() throws {
    let one = directory.write(npy("|u1", "(3, 2)", [0, 1, 2, 3, 4, 5]), "a.npy")
    let two = directory.write(npy("|u1", "(4, 2)", [6, 7, 8, 9, 10, 11, 12, 13]), "b.npy")
    let labels = directory.write(npy("<i2", "(7,)", TypedBytes.bytes([-1, 0, -1, -1, 1, 2, -1], .int16)), "y.npy")
    let set = try Dataset(features: FileList([one, two]), labels: FileList(labels), ignoring: .number(-1))
      .leavingOutIgnored(one)
    #expect(set.labels == [0, 1, 2] && set.classCount == 3 && set.kept == KeptRows(total: 7, rows: [1, 4, 5]))
    let features = try #require(set.features.matrix)
    #expect(features.isMapped && features.pieces.count == 2 && values(of: features) == [2, 3, 8, 9, 10, 11])
    // Errors name the rows of the files.
    #expect(set.featureFiles.place(of: 0, in: "").row == 1 && set.featureFiles.place(of: 2, in: "").row == 2)
    #expect(set.featureFiles.place(of: 2, in: "").path == two && set.labelFiles.place(of: 2, in: "").row == 5)
    let target = Matrix<Float>(zeros: 3, 2)
    features.gather(rows: [2, 0, 1], into: target, normalization: .none)
    #expect(target.elements.array == [10, 11, 2, 3, 8, 9])
    #expect(set.kept?.select(Array(0..<7)) == [1, 4, 5])
  }

  @Test func `Names of columns and the index base stay known`() throws {
    let table = directory.write(Array("a,b,kind\n1,2,x\n3,4,y\n5,6,z\n".utf8), "t.csv")
    let sparse = directory.write(Array("x 0:1 2:1\ny 1:2\nz 2:3\n".utf8), "s.svm")
    for (path, format) in [(table, ExampleFormat.csv), (sparse, .svmlight)] {
      let all = try Dataset(
        TextExamples(paths: [path], format: format), path: path, classes: nil, ignoring: .text("y"))
      let set = try all.leavingOutIgnored(path)
      #expect(set.count == 2 && set.classCount == 2 && set.classes?.names == ["x", "z"])
      #expect(set.tableColumns == all.tableColumns && (set.tableColumns != nil) == (format == .csv))
      #expect(set.indices?.base == all.indices?.base && (set.indices?.base == .zero) == (format == .svmlight))
    }
  }

  @Test func `Texts may be ignored`() throws {
    let features = directory.write(npy("|u1", "(3, 1)", [0, 1, 2]), "x.npy")
    let labels = directory.write(ArrayLabelsTests.array(["b", "unknown", "a"], "<"), "y.npy")
    let set = try Dataset(features: FileList(features), labels: FileList(labels), ignoring: .text("unknown"))
      .leavingOutIgnored(features)
    #expect(set.labels == [1, 0] && set.classes?.names == ["a", "b"] && set.classCount == 2)
    let error = dataError {
      let labels = directory.write(ArrayLabelsTests.array(["b", "b", "b"], "<"), "y.npy")
      _ = try Dataset(features: FileList(features), labels: FileList(labels), ignoring: .text("b"))
        .leavingOutIgnored(features)
    }
    #expect(error?.message.contains("data.ignore_label") == true)
  }

  @Test func `Sparse rows are left out`() throws {
    let path = directory.write(Array("1 1:0.5 3:2\n-1 2:7\n2 3:4\n-1 1:1\n".utf8), "x.svm")
    let text = try TextExamples(paths: [path], format: .svmlight, storage: .sparse)
    let set = try Dataset(text, path: path, classes: nil, ignoring: .number(-1)).leavingOutIgnored(path)
    #expect(set.classes?.names == ["1", "2"] && set.labels == [0, 1] && set.features.isSparse)
    guard case .sparse(let sparse) = set.features else { return }
    #expect(values(of: try sparse.dense()) == [0.5, 0, 2, 0, 0, 4])
  }
}

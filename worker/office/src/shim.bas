Option Explicit

' Arguments come as hexadecimal UTF-16, so that nothing in them is read as part of the macro's address.
Function Text(digits As String) As String
  Dim i As Long, result As String
  For i = 1 To Len(digits) Step 4
    result = result & Chr(CLng("&H" & Mid(digits, i, 4)))
  Next i
  Text = result
End Function

' The other way round.
Function Digits(text As String) As String
  Dim i As Long, result As String
  For i = 1 To Len(text)
    result = result & Right("000" & Hex(Asc(Mid(text, i, 1)) And 65535), 4)
  Next i
  Digits = result
End Function

Sub Answer(path As String, line As String)
  Dim handle As Integer
  handle = FreeFile
  Open path For Output As #handle
  Print #handle, line
  Close #handle
End Sub

Sub Convert(inUrl As String, inFilter As String, inOptions As String, password As String, outUrl As String, outFilter As String, outOptions As String, perSheet As String, answerPath As String)
  Dim document As Object, stage As String, loaded As Long, stored As Long, start As Long, message As String, i As Long, names As String
  Dim load(6) As New com.sun.star.beans.PropertyValue
  Dim store(2) As New com.sun.star.beans.PropertyValue
  On Error GoTo Failed
  stage = "load"
  start = GetSystemTicks()
  load(0).Name = "Hidden"
  load(0).Value = True
  ' Never run the document's macros, never update its links.
  load(1).Name = "MacroExecutionMode"
  load(1).Value = 0
  load(2).Name = "UpdateDocMode"
  load(2).Value = 0
  load(3).Name = "Silent"
  load(3).Value = True
  load(4).Name = "FilterName"
  load(4).Value = Text(inFilter)
  load(5).Name = "FilterOptions"
  load(5).Value = Text(inOptions)
  load(6).Name = "ReadOnly"
  load(6).Value = True
  If Len(password) > 0 Then
    load(6).Name = "Password"
    load(6).Value = Text(password)
  End If
  document = StarDesktop.loadComponentFromURL(Text(inUrl), "_blank", 0, load())
  If IsNull(document) Then
    Answer(Text(answerPath), "failed load no document")
    Exit Sub
  End If
  loaded = GetSystemTicks() - start
  stage = "store"
  start = GetSystemTicks()
  store(0).Name = "FilterName"
  store(0).Value = Text(outFilter)
  store(1).Name = "Overwrite"
  store(1).Value = True
  store(2).Name = "FilterOptions"
  store(2).Value = Text(outOptions)
  If perSheet = "" Then
    document.storeToURL(Text(outUrl), store())
  Else
    ' A file a sheet, numbered from 1.
    For i = 1 To document.Sheets.Count
      store(2).Value = Text(outOptions) & i
      document.storeToURL(Text(outUrl) & i, store())
      names = names & " " & Digits(document.Sheets.getByIndex(i - 1).Name)
    Next i
  End If
  stored = GetSystemTicks() - start
  document.close(True)
  Answer(Text(answerPath), "done " & loaded & " " & stored & names)
  Exit Sub
Failed:
  message = Error$
  On Error Resume Next
  If Not IsNull(document) Then document.close(True)
  Answer(Text(answerPath), "failed " & stage & " " & message)
End Sub
